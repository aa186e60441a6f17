#!/bin/bash
# SPDX-License-Identifier: MIT
#
# berth against lwIP (Debian's liblwip), joined in memory: see lwip_talk.c.
if [ ! -x "$BERTH_BUILD/tests/interop/lwip_talk" ]; then
  echo "ok 1 - lwip # SKIP no liblwip-dev when this was built"
  echo "1..1"
  exit 0
fi
exec "$BERTH_BUILD/tests/interop/lwip_talk"
