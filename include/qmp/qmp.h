/* SPDX-License-Identifier: MIT */
#ifndef QMP_QMP_H
#define QMP_QMP_H

/* All of libqmpclient: a client for the QEMU Machine Protocol. */

#include <qmp/client.h>
#include <qmp/error.h>
#include <qmp/listener.h>
#include <qmp/message.h>
#include <qmp/monitor.h>
#include <qmp/server.h>
#include <qmp/tls.h>
#include <qmp/types.h>
#include <qmp/value.h>
#include <qmp/writer.h>

#endif
