#!/bin/sh
# Checks the model of incarnation replacement: `docs/model/run.sh`. See README.md beside it.
# Needs `spin` and a C compiler (Debian: spin, gcc). Installs nothing. With a folder in TRAILS, the
# steps to each expected violation are written there.
set -u
case "${1:-}" in
  -h | --help)
    sed -n '2,4s/^# //p' "$0"
    echo 'Example: TRAILS=/tmp/trails npm run model'
    exit 0
    ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
for tool in spin "${CC:-gcc}"; do
  if ! command -v "$tool" >/dev/null; then
    echo "error: $tool is not installed (Debian: apt-get install spin gcc); nothing was checked" >&2
    echo '0 passed, 0 failed'
    exit 2
  fi
done
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT INT TERM
passed=0
failed=0
# How to search: depth first, or breadth first (-DBFS) for the shortest way to a violation.
search=

# run NAME EXPECTED MACROS...: EXPECTED is "none", or text of the assertion that must be violated.
run() {
  name=$1
  expected=$2
  shift 2
  folder="$work/$name"
  mkdir "$folder"
  cp "$here/incarnations.pml" "$folder/"
  : >"$folder/pan.txt"
  (
    cd "$folder" || exit
    # shellcheck disable=SC2086
    spin "$@" -a incarnations.pml >spin.txt &&
      "${CC:-gcc}" -w -O2 -DSAFETY $search -DMEMLIM=8000 -o pan pan.c >cc.txt 2>&1 &&
      ./pan -m1000000 >pan.txt 2>&1
  )
  report=$(judge "$folder/pan.txt" "$expected")
  states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$folder/pan.txt")
  seconds=$(sed -n 's/^pan: elapsed time \([0-9.e+]*\) .*/\1/p' "$folder/pan.txt")
  if [ -z "$report" ]; then
    passed=$((passed + 1))
    echo "PASS $name ($*): ${states:-?} states, ${seconds:-0} s"
  else
    failed=$((failed + 1))
    echo "FAIL $name ($*): $report"
  fi
  if [ -n "${TRAILS:-}" ] && [ -f "$folder/incarnations.pml.trail" ]; then
    mkdir -p "$TRAILS"
    (cd "$folder" && spin "$@" -t incarnations.pml) >"$TRAILS/$name.txt" 2>&1
  fi
}

# judge OUTPUT EXPECTED: prints what is wrong, or nothing.
judge() {
  if [ ! -s "$1" ]; then
    echo "it was not built"
  elif [ "$2" != none ]; then
    grep -F 'assertion violated' "$1" | grep -qF "$2" || echo "the violation was not found"
  elif grep -q 'max search depth too small\|out of memory\|Search not completed' "$1"; then
    grep -m 1 'assertion violated' "$1" | cut -c 1-120 | grep . || echo "it was not completed"
  else
    grep -q 'errors: 0' "$1" || echo "it did not end"
  fi
}

# With I2: every state within the bounds.
run one-newcomer none -DN=4 -DT=2 -DLEN=2
run three-terms none -DN=4 -DT=3 -DLEN=1
run two-newcomers none -DN=5 -DT=2 -DLEN=1

# Without I2, and with other mistakes: the violation must be found.
search=-DBFS
run i2-off-double-vote 'led_by[t]==15' -DN=3 -DT=1 -DLEN=1 -DI2_OFF=1
run i2-off-lost-commit 'decided_in[(k-1)]>=t' -DN=3 -DT=2 -DLEN=1 -DI2_OFF=2
run two-of-one-slot 'slot_of' -DN=4 -DT=1 -DLEN=1 -DPLANT=1
search=
run joint-by-one-half 'led_by[t]==15' -DN=4 -DT=2 -DLEN=2 -DPLANT=2
run commit-left-behind 'led_by[t]==15' -DN=4 -DT=2 -DLEN=2 -DPLANT=3

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
