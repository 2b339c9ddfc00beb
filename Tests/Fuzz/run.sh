#!/bin/sh
# Fuzzes every reader of files: run.sh MINUTES [TARGET...]; run.sh --seeds reads the corpus alone;
# run.sh --merge keeps what adds coverage.
#
# The minutes are shared by the targets. What crashes, hangs or takes too much lies in .build/fuzz/found
# afterwards, each a file that the same program reads again: mend it, and make it a test.
set -eu
cd "$(dirname "$0")/../.."
root=$(pwd)
swift=$(command -v "${SWIFT:-swift}")
tools=$(dirname "$(readlink -f "$swift")")
out=.build/fuzz
corpus=Tests/Fuzz/Corpus
mkdir -p "$out/found" "$out/corpus"
if [ "$(uname -s)" != Linux ] || [ ! -x "$tools/clang" ]; then
  echo "SKIPPED: fuzzing needs the libFuzzer of a Swift toolchain on Linux"
  exit 0
fi

mode=$1
shift
swift_targets="json markup cascade coco onnx pickle keras arrays safetensors model state idx classes pictures"
targets=${*:-codecs $swift_targets}

# The C doors, with addresses and undefined behaviour watched.
if [ ! -x "$out/codecs" ] || [ -n "$(find Sources/CImageCodecs Tests/Fuzz/codecs.c -newer "$out/codecs")" ]; then
  "$tools/clang" -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
    -fuse-ld=lld -I Sources/CImageCodecs/include $(pkg-config --cflags libpng libjpeg libtiff-4 libwebp zlib) \
    Tests/Fuzz/codecs.c Sources/CImageCodecs/*.c \
    $(pkg-config --libs libpng libjpeg libtiff-4 libwebp zlib) -o "$out/codecs"
fi
case " $targets " in
*" codecs ") ;;
*)
  "$swift" build -c release --package-path Tests/Fuzz --scratch-path "$out/build" --product Fuzz ||
    { echo "the fuzzers cannot be built"; exit 1; }
  ;;
esac

program() {
  if [ "$1" = codecs ]; then echo "$root/$out/codecs"; else echo "$root/$out/build/release/Fuzz"; fi
}

# JSON of models is long; elsewhere short inputs find as much.
length() {
  case "$1" in
  model | onnx | keras) echo 20000 ;;
  *) echo 4000 ;;
  esac
}

if [ "$mode" = --merge ]; then
  for target in $targets; do
    mkdir -p "$out/kept/$target"
    ATELIER_FUZZ=$target "$(program "$target")" -merge=1 -max_len="$(length "$target")" \
      "$out/kept/$target" "$corpus/$target" "$out/corpus/$target" > "$out/$target.merge.log" 2>&1
    echo "$target: $(ls "$out/kept/$target" | wc -l) inputs, $(du -sb "$out/kept/$target" | cut -f1) bytes"
  done
  exit 0
fi

# Some readers take files: where memory is a folder they read ten times as many.
if [ -w /dev/shm ]; then place=/dev/shm; else place=${TMPDIR:-/tmp}; fi
TMPDIR=$(mktemp -d "$place/atelier-fuzz-XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

count=$(echo "$targets" | wc -w)
if [ "$mode" = --seeds ]; then seconds=0; else seconds=$((mode * 60 / count)); fi
total=0
status=0
for target in $targets; do
  mkdir -p "$out/corpus/$target" "$corpus/$target"
  log=$out/$target.log
  if [ "$seconds" = 0 ]; then limit=-runs=0; else limit=-max_total_time=$seconds; fi
  ended=0
  ATELIER_FUZZ=$target "$(program "$target")" "$limit" -max_len="$(length "$target")" -timeout=30 \
    -rss_limit_mb=3000 -print_final_stats=1 -artifact_prefix="$out/found/$target-" \
    "$out/corpus/$target" "$corpus/$target" > "$log" 2>&1 || ended=$?
  inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
  [ -n "$inputs" ] || inputs=$(sed -n 's/^#\([0-9]*\).*/\1/p' "$log" | tail -n 1)
  coverage=$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$log" | tail -n 1)
  echo "$target: ${inputs:-0} inputs, ${coverage:-0} edges, status $ended"
  total=$((total + ${inputs:-0}))
  if [ "$ended" != 0 ]; then
    status=1
    grep -E 'ERROR|SUMMARY|Fatal|Precondition|runtime error' "$log" | head -n 5 || true
  fi
done
echo "$total inputs over $count targets"
ls "$out/found" | sed 's/^/found: /'
exit $status
