# SPDX-License-Identifier: MIT

"""A copy of the static library whose calls of the system go to test/faults/faults.c.

    redirect.py NM OBJCOPY LIBRARY FAULTS-LIBRARY COPY    make the copy
    redirect.py NM OBJCOPY LIBRARY FAULTS-LIBRARY         whether each call of the library is known here

What the library calls is either redirected, because the other archive has a fault_ of that name, or listed below as
something that cannot fail. Nothing else may be there: a new call wants a fault."""

import re
import subprocess
import sys
import tempfile

# The same function under another name, for large files.
ALIASES = {"fcntl64": "fcntl", "open64": "open", "stat64": "stat", "lstat64": "lstat", "fstat64": "fstat",
    "readdir64": "readdir", "mmap64": "mmap"}

# Cannot fail, or only by being used wrongly: munmap of a whole mapping, sysconf of the size of a page. Or ends early,
# which whoever calls it does not notice: nanosleep.
HARMLESS = """
    __ctype_b_loc __ctype_tolower_loc __errno_location __isoc99_sscanf closedir clock_gettime
    dirfd dlclose dlerror dlsym
    environ
    freeaddrinfo freelocale gai_strerror getpid gmtime_r if_nametoindex inet_ntop inet_pton memchr memcmp memcpy
    memmove memset memrchr mempcpy munmap nanosleep newlocale
    posix_spawn_file_actions_destroy posix_spawnattr_destroy posix_spawnattr_setflags
    posix_spawnattr_setsigdefault posix_spawnattr_setsigmask pthread_attr_destroy pthread_attr_setdetachstate
    pthread_cond_broadcast pthread_cond_destroy pthread_cond_init pthread_cond_signal pthread_cond_timedwait
    pthread_cond_wait pthread_condattr_destroy pthread_condattr_init pthread_condattr_setclock pthread_detach
    pthread_equal pthread_join pthread_mutex_destroy pthread_mutex_init pthread_mutex_lock pthread_mutex_trylock
    pthread_mutex_unlock pthread_once pthread_self pthread_sigmask qsort rand random sched_yield sigaddset
    sigemptyset sigfillset
    strncasecmp snprintf sprintf stpcpy stpncpy strchr strcmp strcpy strcspn strerror strftime strlen strncmp strncpy strnlen
    gnu_dev_major gnu_dev_minor htons ntohs tolower
    strpbrk strrchr strspn strstr strtod_l strtol strtoll strtoul strtoull sysconf time vsnprintf
""".split()

# The compiler's own, sanitizers' and coverage's included.
COMPILER = re.compile(
    r"_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan|sanitizer|lsan|gcov|llvm)_.*|__stack_chk_fail"
    r"|__tls_get_addr|__(v?s?n?printf|mem\w+|st[rp]\w+)_chk|bcmp|__popcount\w*")


def symbols(nm, library):
    """The symbols that the archive lacks, and those it has."""
    used, defined = set(), set()
    for line in subprocess.run([nm, library], check=True, capture_output=True, text=True).stdout.splitlines():
        fields = line.split()
        if len(fields) == 2 and fields[0] in "Uwv":
            used.add(fields[1])
        elif len(fields) == 3:
            defined.add(fields[2])
    return used - defined, defined


def main(nm, objcopy, library, faults, copy=None):
    called = symbols(nm, library)[0]
    known = {name for name in symbols(nm, faults)[1] if name.startswith("fault_")}
    targets = {name: "fault_" + ALIASES.get(name, name) for name in called}
    redirected = {name: target for name, target in targets.items() if target in known}

    if copy:
        with tempfile.NamedTemporaryFile("w", suffix=".symbols") as f:
            f.writelines(f"{name} {target}\n" for name, target in sorted(redirected.items()))
            f.flush()
            subprocess.run([objcopy, f"--redefine-syms={f.name}", library, copy], check=True)
        return 0

    unknown = sorted(name for name in called - set(redirected) - set(HARMLESS) if not COMPILER.fullmatch(name))
    for name in unknown:
        print(f"{name}: the library calls it, and test/faults/faults.c cannot make it fail")
    print(f"{len(called)} calls, {len(redirected)} redirected, {len(unknown)} failures")
    return 1 if unknown or not redirected else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
