#!/bin/sh
# Builds the documentation of every library module into a folder: docs.sh FOLDER. It takes the
# compiled modules of a release build and the toolchain's own docc; a warning is an error.
set -eu
cd "$(dirname "$0")/.."
out=$1
build=.build/release
work=.build/docs
docc=$(command -v docc || echo "$(dirname "$(readlink -f "$(command -v swift)")")/docc")
if [ ! -x "$docc" ]; then
  echo "docs: the toolchain has no docc; install one of swift.org's" >&2
  exit 69
fi
swift build -c release --product atelier
target=$(swift -print-target-info | sed -n 's/.*"unversionedTriple": "\(.*\)".*/\1/p' | head -1)
maps=$(find -L Sources "$build" -maxdepth 2 -name module.modulemap | sed 's/^/-Xcc -fmodule-map-file=/')
rm -rf "$work"
mkdir -p "$out"
for folder in Sources/Atelier?*; do
  module=$(basename "$folder")
  case $module in AtelierCommand | AtelierMain | AtelierCluster) continue ;; esac
  mkdir -p "$work/$module"
  # shellcheck disable=SC2086
  swift symbolgraph-extract -module-name "$module" -target "$target" -I "$build/Modules" $maps \
    -Xcc -ISources/CKernels/include -Xcc -ISources/CImageCodecs/include \
    -minimum-access-level public -skip-inherited-docs -output-dir "$work/$module"
  "$docc" convert --warnings-as-errors --fallback-display-name "$module" \
    --fallback-bundle-identifier "atelier.$module" --additional-symbol-graph-dir "$work/$module" \
    --output-path "$out/$module.doccarchive"
  echo "docs: $out/$module.doccarchive"
done
