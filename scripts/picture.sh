#!/usr/bin/env bash
# Makes the README's pictures from the running program: a drill of a region outage in a terminal of 140 by 40, first the
# overview while the region is down, then the step that cannot be undone.
# usage: picture.sh [BINARY]     default: target/release/leeward, else target/debug/leeward; needs tmux and python3
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

leeward=${1:-}
for candidate in target/release/leeward target/debug/leeward; do [[ -n $leeward || ! -x $candidate ]] || leeward=$candidate; done
[[ -x $leeward ]] || { echo "picture: error: no binary; run cargo build first" >&2; exit 1; }
for tool in tmux python3; do
  command -v "$tool" >/dev/null || { echo "picture: error: $tool is not there" >&2; exit 1; }
done

work=$(mktemp -d)
# A server of its own: whoever makes the picture may sit in tmux.
terminal() { tmux -L "leeward-picture-$$" -f "$work/tmux.conf" "$@"; }
trap 'terminal kill-server 2>/dev/null || true; rm -rf "$work"' EXIT
printf 'set -g default-terminal "tmux-256color"\nset -g status off\n' >"$work/tmux.conf"

# The operator's name and machine stand on the screen: neutral ones, where the system lets us have another host name.
neutral=()
if unshare --uts true 2>/dev/null; then neutral=(unshare --uts sh -c 'hostname bastion; exec "$@"' sh); fi

terminal new-session -d -x 140 -y 40 -s p env -u SUDO_USER HOME="$work" USER=oncall LC_ALL=C.UTF-8 COLORTERM=truecolor \
  TERM=tmux-256color "${neutral[@]}" "$(realpath "$leeward")" drill

screen() { terminal capture-pane -p -t p; }
# await TEXT SECONDS
await() {
  local left=$(($2 * 5))
  until screen | grep -qF -- "$1"; do
    ((left-- > 0)) || { echo "picture: error: \"$1\" did not come up; the screen is:" >&2; screen >&2; exit 1; }
    sleep 0.2
  done
}
keys() { terminal send-keys -t p "$@"; }
draw() { terminal capture-pane -e -p -t p | python3 scripts/screen_to_svg.py "$2" >"docs/$1.svg"; }
# step NAME: waits for it to be our turn, starts it and answers its question.
step() { await "$1  YOUR TURN" 60; keys R; await "yes, as written" 10; sleep 1; keys Enter; }

await "readiness · READY" 60
await "was PRIMARY" 90
await "BLOCKED by" 60
sleep 12
draw overview "leeward: overview of both regions while us-central1 is down"

keys f
await "plan failover" 10
keys R
await "Declare a run" 10
sleep 1
keys Enter
step declare
step suspend-crons
await "O go on with" 60
keys O
await "Reason, 8 characters" 10
sleep 1
keys -l "grid operator confirms the power cut"
sleep 1
keys Enter
step fence-controllers
step fence-database
await "promote  YOUR TURN" 60
keys R
await "Type the region" 10
sleep 1
keys -l "us-east1"
await "us-east1▏" 10
draw promote "leeward: the consent to promote the database of us-east1"
echo "docs/overview.svg docs/promote.svg"
