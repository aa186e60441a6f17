# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# berth sim: runs, the same trace twice, what is shown, what is refused; 2,000 runs over a bad path.

. "$BERTH_SOURCE/tests/tap.sh"

sim() { "$BERTH" sim "$@"; }

# ---- one run ---------------------------------------------------------------------------------

output=$(sim --seed 7 --loss 1% --bytes 300kb)
is "a run that is right ends with 0" "$?" 0
like "the flow and its bytes are shown" "$output" '1 +4 +A to B +307200 '
like "it says what it has checked" "$output" 'every byte arrived, once and in order'
trace() { grep '^trace ' <<<"$1"; }
is "a seed run twice gives the same trace" "$(trace "$(sim --seed 7 --loss 1% --bytes 300kb)")" \
  "$(trace "$output")"
other=$(trace "$(sim --seed 8 --loss 1% --bytes 300kb)")
check "another seed gives another trace" test "$other" != "$(trace "$output")"
like "over IPv6" "$(sim --ipv6 --bytes 1000)" '1 +6 +A to B +1000 '
like "several flows" "$(sim --flows 3 --bytes 1000)" '3 +4 +A to B +1000 '

output=$(sim --flows 4 --hosts 4 --time 2s --cc cubic,newreno)
is "flows of four pairs of hosts for two seconds" "$?" 0
like "how fair it was" "$output" "^fairness \\(Jain's index\\): (0\\.[0-9]{3}|1\\.000)$"

rate_of() { python3 -c 'import json,sys; print(json.load(sys.stdin)["results"][0]["flows"][0]["ends"][0]["goodput_bps"])'; }
goodput=$(sim --json --rate 5mbit --delay 5ms --bytes 4mb | rate_of)
check "a rate limit is reached and not passed ($goodput bit/s of 5 Mbit/s)" \
  test "$goodput" -gt 4000000 -a "$goodput" -lt 5000000

# ---- many runs -------------------------------------------------------------------------------

bad="--loss 3% --reorder 3% --duplicate 3% --corrupt 3% --ipv4 --ipv6"
# shellcheck disable=SC2086
output=$(sim --runs 2000 --seed 1 $bad)
is "2,000 runs over a bad path are right" "$?" 0
like "and are counted" "$output" '^2000 of 2000 runs, seeds 1 to 2000, '
for scenario in transfer mixed idle many flood; do
  output=$(sim --seed 5 --scenario $scenario --vary)
  is "scenario $scenario" "$?" 0
done

# ---- what is written -------------------------------------------------------------------------

check "a plot is written" sim --bytes 100kb --loss 1% --plot "$TAP_DIR/plot.svg"
check "it is well-formed XML with both panels" python3 -c '
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
texts = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
assert root.tag == "{http://www.w3.org/2000/svg}svg"
for text in ("sent", "acknowledged", "cwnd", "time, ms"):
    assert text in texts, (text, texts)
assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) >= 5
' "$TAP_DIR/plot.svg"
check "a capture is written" sim --bytes 10kb --pcap "$TAP_DIR/a.pcap"
check "it holds TCP with right checksums" python3 - "$TAP_DIR/a.pcap" <<'PYTHON'
import struct, sys
data = open(sys.argv[1], "rb").read()
magic, _, _, _, _, _, link = struct.unpack("<IHHiIII", data[:24])
assert magic == 0xA1B23C4D and link in (12, 101), (hex(magic), link)
at, packets = 24, 0
while at < len(data):
    _, _, caught, length = struct.unpack("<IIII", data[at:at + 16])
    packet = data[at + 16:at + 16 + caught]
    at += 16 + caught
    header = (packet[0] & 15) * 4
    pseudo = packet[12:20] + struct.pack(">BBH", 0, packet[9], length - header)
    for part in (packet[:header], pseudo + packet[header:]):
        part += b"\0" * (len(part) % 2)
        total = sum(struct.unpack(f">{len(part) // 2}H", part))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        assert total == 0xFFFF
    packets += 1
assert packets > 10
PYTHON
lines=$(sim --bytes 1000 --verbose | grep -c ' A out 10.1.0.1:')
check "--verbose has a line for every packet" test "$lines" -ge 3

# ---- what is refused -------------------------------------------------------------------------

# refuses NAME PATTERN ARG...
refuses() {
  local name=$1 pattern=$2 status text
  shift 2
  text=$(sim "$@" 2>&1 >/dev/null)
  status=$?
  is "$name: status" "$status" 2
  is "$name: one line" "$(wc -l <<<"$text")" 1
  like "$name: its words" "$text" "$pattern"
}
refuses "a loss past 100 %" "^berth: sim: --loss '101%': expected a percentage" --loss 101%
refuses "a delay without a unit" "^berth: sim: --delay '40': expected a time" --delay 40
refuses "a queue of nothing" "^berth: sim: --queue '0': expected a size from 1b to 1gb" --queue 0
refuses "a queue of no packets" "^berth: sim: --queue '0p': expected a size" --queue 0p
refuses "a rate in bytes" "^berth: sim: --rate '1mb': expected a rate" --rate 1mb
refuses "no flows" "^berth: sim: --flows '0': expected a number from 1 to 4096" --flows 0
refuses "congestion control that is not there" "^berth: sim: --cc 'vegas': expected (cubic|newreno)" --cc vegas
refuses "one of several" "^berth: sim: --cc 'cubic,vegas': expected " --cc cubic,vegas
refuses "a capture that cannot be written" "^berth: sim: /nonexistent/x.pcap: No such file" --pcap /nonexistent/x.pcap
refuses "an operand" "'extra': expected options only" extra
refuses "a small MTU for IPv6" "at least 1280" --ipv6 --mtu 576
refuses "a plot that cannot be written" "^berth: sim: /nonexistent/x.svg: No such file" --plot /nonexistent/x.svg
refuses "a plot without room" "^berth: sim: /dev/full: No space left" --bytes 100kb --plot /dev/full
refuses "a capture without room" "^berth: sim: /dev/full: No space left" --bytes 100kb --pcap /dev/full
refuses "a capture without room for its end" "^berth: sim: /dev/full: No space left" --bytes 1 --pcap /dev/full
refuses "a plot without a name" "^berth: sim: --plot '': expected a value: FILE.svg" --plot ''
refuses "a plot and a capture in one file" "^berth: sim: '--pcap': expected another file" \
  --plot "$TAP_DIR/one" --pcap "$TAP_DIR/one"
refuses "a capture without a name" "^berth: sim: --pcap '': expected a value: FILE" --pcap=
refuses "packets among JSON" "^berth: sim: '--verbose': expected it or --json, not both" --json -v
for option in "--plot $TAP_DIR/flood" "--pcap $TAP_DIR/flood" --verbose; do
  # shellcheck disable=SC2086
  refuses "a flood with ${option%% *}" "'${option%% *}': expected another scenario" --scenario flood $option
done
refuses "goodput from after the end" "^berth: sim: '--from': expected a time before" --time 1s --from 1s
refuses "a seed past JSON's numbers" "--seed '9223372036854775808': expected a number from 0 to 9223372036854775807" \
  --seed 9223372036854775808
refuses "seeds past them" "'--seed': expected one that the seeds of all --runs can follow" \
  --seed 9223372036854775807 --runs 2
like "the last seed" "$(sim --seed 9223372036854775807 --bytes 1 --json)" '"seed": 9223372036854775807,'

# ---- a failure -------------------------------------------------------------------------------

output=$(sim --seed 3 --loss 100%)
is "a network that loses everything is no success" "$?" 1
like "its flow gave up" "$output" '^1 flow gave up, as it may on such a path'
like "what is broken off on purpose is told" "$(sim --scenario mixed --flows 3)" \
  '^every byte arrived, once and in order, but for 1 flow that was broken off; nothing was left$'
text=$(sim --seed 3 --delay 3600s 2>&1 >/dev/null)
is "a flow that breaks on a good path is a failure" "$?" 1
like "the seed is named" "$text" '^berth: seed 3 \(transfer\): at .*timed out'
like "and the command that repeats it" "$text" '^berth: repeat with: berth sim --seed 3 --delay 3600s$'

done_testing
