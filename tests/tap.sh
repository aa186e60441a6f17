# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# TAP for test programs written in bash. Use:
#
#   . "$BERTH_SOURCE/tests/tap.sh"
#   check "a port is found by name" "$BERTH" ports postgresql     # passes when the command does
#   is "its status" "$status" 7                                   # passes when the two are equal
#   like "names the bad word" "$text" 'berth: .*https'            # passes when the ERE matches
#   ok "name"; not_ok "name" "why"; skip "name" "reason"
#   need_program curl nginx || done_testing     # skips the whole file, naming what is missing
#   at_exit 'kill %1'                           # run at the end, last one first
#   done_testing                                # prints the plan; status 1 if a case failed
#
# $TAP_DIR is an empty directory of this test's own, removed at the end.

set -u
: "${BERTH:?set by the build: path of the berth command}"
: "${BERTH_SOURCE:?set by the build: path of the source tree}"

tap_count=0
tap_failed=0
tap_cleanups=()
TAP_DIR=$(mktemp -d "${TMPDIR:-/tmp}/berth-test.XXXXXX") || exit 1
export TAP_DIR

tap_finish() {
  local status=$? i
  trap - EXIT
  for ((i = ${#tap_cleanups[@]} - 1; i >= 0; i--)); do
    eval "${tap_cleanups[i]}" >/dev/null 2>&1
  done
  rm -rf "$TAP_DIR"
  exit "$status"
}
trap tap_finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'exit 129' HUP

at_exit() { tap_cleanups+=("$1"); }

ok() { echo "ok $((++tap_count)) - $1"; }

# not_ok NAME [WHY...]: the reasons are printed as diagnostics, line by line.
not_ok() {
  echo "not ok $((++tap_count)) - $1"
  tap_failed=$((tap_failed + 1))
  shift
  local why
  for why in "$@"; do printf '%s\n' "$why" | sed 's/^/# /'; done
}

skip() { echo "ok $((++tap_count)) - $1 # SKIP ${2:?a skip needs its reason}"; }

diag() { printf '%s\n' "$*" | sed 's/^/# /'; }

# check NAME COMMAND [ARG]...: its output is shown only when it fails.
check() {
  local name=$1 status
  shift
  "$@" >"$TAP_DIR/.check" 2>&1 </dev/null
  status=$?
  if [ "$status" -eq 0 ]; then
    ok "$name"
  else
    not_ok "$name" "status $status: $*" "$(tail -n 40 "$TAP_DIR/.check")"
  fi
}

is() {
  if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got:      $2" "expected: $3"; fi
}

like() {
  if grep -Eq -- "$3" <<<"$2"; then ok "$1"; else not_ok "$1" "got:         $2" "should match: $3"; fi
}

unlike() {
  if grep -Eq -- "$3" <<<"$2"; then not_ok "$1" "got:             $2" "should not match: $3"; else ok "$1"; fi
}

# wait_for SECONDS COMMAND [ARG]...: polls until the command succeeds; fails at the deadline.
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.05
  done
}

# need_program NAME...: fails, with one skipped case, when one is not installed.
need_program() {
  local program
  for program in "$@"; do
    if ! command -v "$program" >/dev/null 2>&1; then
      skip "$(basename "$0")" "no $program on this machine"
      return 1
    fi
  done
}

done_testing() {
  echo "1..$tap_count"
  [ "$tap_failed" -eq 0 ] && [ "$tap_count" -gt 0 ]
  exit
}
