# A few commands for people. Meson and Ninja do the work: HACKING.md says how to use them directly.

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
V       ?=
HOURS   ?= 1
export V

release = $(BUILD)-release
release_options = --buildtype=release --prefix='$(PREFIX)' -Dtests=false

.PHONY: help demo check coverage install fuzz model soak analyse bench plots clean

help:
	@echo 'make demo      watch the library work on a real QEMU (half a minute from a fresh clone)'
	@echo 'make check     build everything and run all tests'
	@echo 'make coverage  which lines of the library the tests do not run'
	@echo 'make model     check the models of protocols between threads, in every interleaving'
	@echo 'make analyse   look for defects without running anything: cppcheck, gcc -fanalyzer, clang-tidy'
	@echo 'make install   into PREFIX=$(PREFIX), staged under DESTDIR if that is set'
	@echo 'make bench     measure, in ratios to bare system calls'
	@echo 'make plots     redraw doc/PERFORMANCE.md from what make bench measured'
	@echo 'make fuzz      look for inputs that break something, FUZZ_SECONDS=60 for each of the harnesses'
	@echo 'make soak      HOURS=$(HOURS) of work, after which nothing may have grown, got lost or stood still'
	@echo 'make clean     remove the build folders $(BUILD), $(BUILD)-*'
	@echo
	@echo 'V=1 shows every command. demo and check first install what is missing (Debian, Ubuntu).'

demo:
	@scripts/setup run
	@scripts/build $(release) $(release_options)
	@scripts/demo $(release)

check:
	@scripts/setup check
	@scripts/build $(BUILD)
	@scripts/test $(BUILD)

coverage:
	@scripts/setup check
	@scripts/coverage $(BUILD)-coverage
model:
	@scripts/model
analyse:
	@scripts/build $(BUILD)
	@scripts/analyse $(BUILD)

install:
	@scripts/build $(release) $(release_options)
	@DESTDIR='$(DESTDIR)' meson install -C $(release) --no-rebuild
	@test -n '$(DESTDIR)' || test "$$(id -u)" -ne 0 || ! command -v ldconfig >/dev/null || ldconfig

bench:
	@scripts/setup check
	@scripts/build $(BUILD)-bench --buildtype=release -Ddebug=true -Dtests=false -Dbench=true
	@$(BUILD)-bench/bench/qmp-bench --data $(BUILD)-bench/figures.tsv

plots:
	@test -f $(BUILD)-bench/figures.tsv || { echo 'make bench comes first' >&2; exit 1; }
	@mkdir -p doc/performance
	@cp $(BUILD)-bench/figures.tsv doc/performance/figures.tsv
	@bench/page.py doc/performance/figures.tsv doc/PERFORMANCE.md doc/performance

fuzz:
	@scripts/setup check
	@scripts/fuzz $(BUILD)-fuzz

soak:
	@scripts/soak $(BUILD)-soak $(HOURS)

clean:
	rm -rf $(BUILD) $(BUILD)-*
