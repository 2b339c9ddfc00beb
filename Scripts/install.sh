#!/bin/sh
# Puts a built tool, the models that ship, manual pages and completions below a prefix:
# install.sh BUILD PREFIX. The tool finds the models relative to itself, so the tree can be moved.
set -eu
cd "$(dirname "$0")/.."
build=$1
prefix=$2
share=$prefix/share

install -d "$prefix/bin" "$share/atelier/Checkpoints" "$share/man/man1" \
  "$share/bash-completion/completions" "$share/zsh/site-functions" "$share/fish/vendor_completions.d"
# With the runtime inside where that goes, so that it starts faster and needs no Swift.
static=$(mktemp)
trap 'rm -f "$static"' EXIT
if sh Scripts/static.sh "$(readlink -f "$build")" "$static"; then
  install -m 755 "$static" "$prefix/bin/atelier"
else
  install -m 755 "$build/atelier" "$prefix/bin/atelier"
fi
install -m 644 Checkpoints/*.safetensors Checkpoints/README.md "$share/atelier/Checkpoints"
install -m 644 LICENSE "$share/atelier"
if [ -f "$build/atelier.commit" ]; then
  install -m 644 "$build/atelier.commit" "$share/atelier/commit"
else
  rm -f "$share/atelier/commit"
fi
tool=$prefix/bin/atelier
"$tool" describe --quiet --man "$share/man/man1"
"$tool" --generate-completion-script bash > "$share/bash-completion/completions/atelier"
"$tool" --generate-completion-script zsh > "$share/zsh/site-functions/_atelier"
"$tool" --generate-completion-script fish > "$share/fish/vendor_completions.d/atelier.fish"
echo "installed $("$tool" --version) in $prefix"
