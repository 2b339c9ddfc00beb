#!/bin/sh
# Makes sure that the C libraries are there which the package links: zlib, libpng, libjpeg,
# libtiff, libwebp; with ATELIER_STUDIO set SQLite, too. MPI is for atelier-cluster alone and stays with who wants it:
# apt-get install libopenmpi-dev openmpi-bin, then ATELIER_CLUSTER=1 swift build (Documentation/Cluster.md).
set -eu

# Whether a program that includes the header and links the library can be built.
have() {
  header=$1
  library=$2
  folder=$(mktemp -d)
  printf '#include <stdio.h>\n#include <%s>\nint main(void) { return 0; }\n' "$header" \
    > "$folder/try.c"
  flags=$(pkg-config --cflags --libs "$3" 2> /dev/null || echo "-l$library")
  # shellcheck disable=SC2086
  if "${CC:-cc}" "$folder/try.c" -o "$folder/try" $flags > /dev/null 2>&1; then
    result=0
  else
    result=1
  fi
  rm -rf "$folder"
  return $result
}

if ! command -v "${CC:-cc}" > /dev/null 2>&1; then
  if command -v clang > /dev/null 2>&1; then
    CC=clang
    export CC
  else
    echo "setup: a C compiler is needed (cc or clang)" >&2
    exit 1
  fi
fi

apt=""
brew=""
have zlib.h z zlib || { apt="$apt zlib1g-dev"; brew="$brew zlib"; }
have png.h png libpng || { apt="$apt libpng-dev"; brew="$brew libpng"; }
have jpeglib.h jpeg libjpeg || { apt="$apt libjpeg-dev"; brew="$brew jpeg-turbo"; }
have tiffio.h tiff libtiff-4 || { apt="$apt libtiff-dev"; brew="$brew libtiff"; }
have webp/encode.h webp libwebp || { apt="$apt libwebp-dev"; brew="$brew webp"; }
# The web studio's index.
if [ "${ATELIER_STUDIO:-}" != "" ]; then
  have sqlite3.h sqlite3 sqlite3 || { apt="$apt libsqlite3-dev"; brew="$brew sqlite"; }
fi
[ -n "$apt" ] || exit 0

case $(uname -s) in
Darwin)
  echo "setup: libraries are missing; install them with" >&2
  echo "  brew install$brew" >&2
  exit 1
  ;;
esac
if ! command -v apt-get > /dev/null 2>&1; then
  echo "setup: libraries are missing; install what your system calls$apt" >&2
  exit 1
fi
sudo=""
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo > /dev/null 2>&1; then
    echo "setup: libraries are missing; as root, run: apt-get install -y$apt" >&2
    exit 1
  fi
  sudo=sudo
fi
echo "setup: installing$apt"
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y $apt > /dev/null || {
  $sudo apt-get update
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y $apt
}
