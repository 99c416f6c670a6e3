/* SPDX-License-Identifier: MIT */
#ifndef SRC_JSON_TEMPLATE_H
#define SRC_JSON_TEMPLATE_H

#include <stdarg.h>

#include <qmp/types.h>

/* qmp_json() for a va_list. Returns 0 and the text, the caller's; -EINVAL when the template or an argument is wrong,
 * -ENOMEM. */
int json_template(char **ret, const char *format, va_list arguments) QMP_PRINTF(2, 0);

#endif
