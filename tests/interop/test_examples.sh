#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The programs of examples/, run as their readers would: the echo service over the memory link, and
# the web server on a TUN device in a network namespace of this test's own, asked with curl.
. "$BERTH_SOURCE/tests/tap.sh"

check "echo: the answer is the question" "$BERTH_BUILD/examples/example_echo"

need_program curl unshare ip || done_testing
unshare -rn true 2>/dev/null || { skip "web" "user and network namespaces are not allowed here"; done_testing; }
[ -w /dev/net/tun ] || { skip "web" "/dev/net/tun is not there or not open to us"; done_testing; }

cat >"$TAP_DIR/inside.sh" <<'INSIDE'
"$BERTH_BUILD/examples/example_web" berth0 >"$TAP_DIR/web.out" 2>&1 &
web=$!
for _ in $(seq 50); do grep -q 'bring it up' "$TAP_DIR/web.out" && break; sleep 0.1; done
ip address add 192.0.2.1/24 dev berth0
ip address add 2001:db8::1/64 dev berth0 nodad
ip link set berth0 up
curl -sS --max-time 20 http://192.0.2.2/ >"$TAP_DIR/greeting"
curl -sS --max-time 60 http://192.0.2.2/100000000 | sha256sum >"$TAP_DIR/sum4"
curl -sS --max-time 60 'http://[2001:db8::2]/100000000' | sha256sum >"$TAP_DIR/sum6"
curl -sS --max-time 60 --parallel --parallel-immediate --parallel-max 32 \
  -w '%{http_code} %{size_download}\n' -o /dev/null 'http://192.0.2.2/[100000-100031]' >"$TAP_DIR/many"
curl -sS --max-time 10 http://192.0.2.2:81/ 2>"$TAP_DIR/refused"
echo $? >"$TAP_DIR/refused.status"
kill "$web"; wait "$web"; echo $? >"$TAP_DIR/web.status"
INSIDE
export BERTH_BUILD TAP_DIR
unshare -rn bash "$TAP_DIR/inside.sh" >"$TAP_DIR/inside.out" 2>&1

want=$(head -c 100000000 /dev/zero | tr '\0' x | sha256sum)
is "web: greets" "$(cat "$TAP_DIR/greeting")" "Hello from berth."
is "web: 100 MB over IPv4, same sum" "$(cat "$TAP_DIR/sum4")" "$want"
is "web: 100 MB over IPv6, same sum" "$(cat "$TAP_DIR/sum6")" "$want"
is "web: 32 at once" "$(sort "$TAP_DIR/many" | uniq | wc -l) $(grep -c '^200 1000' "$TAP_DIR/many")" "32 32"
is "web: a port without a rule is refused" "$(cat "$TAP_DIR/refused.status")" 7
is "web: ends in order" "$(cat "$TAP_DIR/web.status")" 0
done_testing
