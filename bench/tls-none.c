/* SPDX-License-Identifier: MIT */
/* Encrypted connections, where the library was built without them. */

#include "bench.h"

#include "measure.h"

void bench_tls(const struct options *o)
{
    (void)o;
    table_title("an encrypted connection");
    table_skipped("round trip, large reply", "built without GnuTLS");
}
