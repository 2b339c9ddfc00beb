#!/bin/sh
# Compiles the kernels for ARM (64 bits) with the toolchain's clang, runs every one of them under qemu, and
# holds what comes out against the same calls of the kernels of any x86 CPU, which KernelsTests hold against the
# reference twins: run.sh [FOLDER]. Ends with 77, loudly, where something is missing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sources=$here/../../Sources/CKernels
folder=${1:-$here/../../.build/arm}
sysroot=${ATELIER_ARM_SYSROOT:-/usr/aarch64-linux-gnu}

skip() {
  echo "SKIPPED: kernels on ARM: $1" >&2
  exit 77
}

clang=${CLANG:-$(command -v clang || true)}
[ -n "$clang" ] || skip "there is no clang"
qemu=$(command -v qemu-aarch64 || command -v qemu-aarch64-static || true)
[ "$(uname -m)" = x86_64 ] || skip "the other side of the comparison is an x86 CPU"
[ -n "$qemu" ] || skip "there is no qemu-aarch64 (qemu-user)"
[ -f "$sysroot/include/stdio.h" ] || skip "there is no C library for it in $sysroot (libc6-dev-arm64-cross)"
gcc=$(ls -d /usr/lib/gcc-cross/aarch64-linux-gnu/* 2> /dev/null | sort -V | tail -n 1)
[ -n "$gcc" ] || skip "there is no compiler runtime for it (libgcc-12-dev-arm64-cross)"
command -v ld.lld > /dev/null || skip "there is no ld.lld"

mkdir -p "$folder/arm" "$folder/x86"
common="-O2 -std=c11 -D_GNU_SOURCE -I $sources/include"
for file in "$sources"/*.c "$here/calls.c"; do
  name=$(basename "$file" .c)
  # shellcheck disable=SC2086
  "$clang" $common --target=aarch64-linux-gnu --sysroot="$sysroot" -I "$sysroot/include" -c "$file" \
    -o "$folder/arm/$name.o"
  # shellcheck disable=SC2086
  "$clang" $common -c "$file" -o "$folder/x86/$name.o"
done
"$clang" --target=aarch64-linux-gnu -fuse-ld=lld -static -nostartfiles -L "$sysroot/lib" -L "$gcc" \
  "$sysroot/lib/crt1.o" "$sysroot/lib/crti.o" "$folder"/arm/*.o -lm -lpthread "$sysroot/lib/crtn.o" \
  -o "$folder/calls-arm"
"$clang" "$folder"/x86/*.o -lm -lpthread -o "$folder/calls-x86"

"$folder/calls-x86" 0 > "$folder/expected.txt"
"$qemu" "$folder/calls-arm" 0 > "$folder/arm.txt"
echo "ARM against x86 baseline:"
python3 "$here/compare.py" "$folder/expected.txt" "$folder/arm.txt"
# The other x86 tables stand to the same calls.
for set in 1 2; do
  if "$folder/calls-x86" $set > "$folder/x86-$set.txt"; then
    echo "x86 table $set against baseline:"
    python3 "$here/compare.py" "$folder/expected.txt" "$folder/x86-$set.txt"
  fi
done
