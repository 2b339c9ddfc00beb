#!/bin/sh
# Runs the thread pool under ThreadSanitizer, and says what cannot be watched.
set -eu
cd "$(dirname "$0")/../.."
# ThreadSanitizer's runtime of this toolchain knows libdispatch and needs it.
swift=$(command -v "${SWIFT:-swift}")
tools=$(dirname "$(readlink -f "$swift")")
libraries=$("$swift" -print-target-info 2>/dev/null |
  sed -n 's/.*"\(\/[^"]*\/swift\/linux\)".*/\1/p' | head -n 1)
if [ "$(uname -s)" != Linux ] || [ ! -x "$tools/clang" ] || [ ! -d "$libraries" ]; then
  echo "SKIPPED: the thread pool under ThreadSanitizer needs the clang of a Swift toolchain on Linux"
  exit 0
fi
out=.build/races
mkdir -p "$out"
"$tools/clang" -g -O1 -D_GNU_SOURCE -fsanitize=thread -I Sources/CKernels/include \
  Tests/Sanitizers/pool_races.c Sources/CKernels/ck_pool.c -fuse-ld=lld \
  -L "$libraries" -ldispatch -lBlocksRuntime "-Wl,-rpath,$libraries" -lpthread -o "$out/pool"
"$out/pool"
echo "SKIPPED: Swift tests under ThreadSanitizer: the pool's barriers lie in C, whose release build" \
  "they would have to share; ThreadPool is called from Swift alone, one job at a time"
