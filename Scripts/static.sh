#!/bin/sh
# Links a built tool again with Swift's runtime inside: static.sh BUILD OUT. It then starts in two thirds of the time and
# runs where there is no Swift. The package is not compiled again: `--static-swift-stdlib` would compile all of it twice.
# Ends with 77, loudly, where the toolchain has no static libraries.
set -eu
build=$1
out=$2
objects=$build/atelier.product/Objects.LinkFileList

skip() {
  echo "SKIPPED: a tool without shared Swift libraries: $1" >&2
  exit 77
}

[ "$(uname -s)" = Linux ] || skip "only Linux has static ones"
compiler=${SWIFTC:-$(command -v swiftc || true)}
[ -n "$compiler" ] || skip "there is no swiftc"
libraries=$(dirname "$(dirname "$(readlink -f "$compiler")")")/lib/swift_static/linux
[ -f "$libraries/libFoundation.a" ] || skip "there is no $libraries/libFoundation.a"
[ -f "$objects" ] || skip "there is no $objects"
command -v ld.gold > /dev/null || command -v ld.lld > /dev/null || skip "there is no ld.gold and no ld.lld"

# Each module of the runtime names its libraries only in objects that were compiled to be linked this way.
# The package manager calls the program's entry by its module.
(cd "$build" && "$compiler" -static-stdlib -emit-executable -o "$out" "@$objects" -L "$libraries" \
  -Xlinker --gc-sections -Xlinker --defsym=main=AtelierMain_main \
  -lFoundation -lFoundationInternationalization -lFoundationEssentials -lCoreFoundation -l_FoundationICU \
  -l_FoundationCShims -l_FoundationCollections -lswiftSynchronization -lswiftDispatch -ldispatch -lBlocksRuntime \
  -lswift_RegexParser -lswift_StringProcessing -lswift_Concurrency -lstdc++ \
  $(pkg-config --libs libpng libjpeg zlib libtiff-4 libwebp) -lm > "$out.log" 2>&1) || {
  cat "$out.log" >&2
  rm -f "$out" "$out.log"
  skip "it cannot be linked (above)"
}
rm -f "$out.log"
strip -s "$out" 2> /dev/null || true
