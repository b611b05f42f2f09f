#!/usr/bin/env bash
# Makes a Markdown table of the logs of hack/e2e.sh: a row for each story, a
# column for each log with the outcome and the seconds it took.
#   hack/e2e-table.sh dist/e2e-full-*.log
# With the word ladder: what TestFullLadder found, fault by fault, with the seed
# and the commit of each log, as docs/ladder-results.md has it.
#   hack/e2e-table.sh ladder dist/e2e-full-*.log > docs/ladder-results.md
# With the word alerts: what TestFullAlerts and TestFullDashboards measured, as
# docs/stories.md has it.
#   hack/e2e-table.sh alerts dist/e2e-full-*.log
set -euo pipefail
mode=stories
if [[ ${1:-} == ladder || ${1:-} == alerts ]]; then
  mode=$1
  shift
fi
(($# > 0)) || {
  echo "usage: hack/e2e-table.sh [ladder|alerts] LOG..." >&2
  exit 2
}

# commit LOG: the name of a log has it, e2e-full-COMMIT-TIME.log.
commit() { basename "$1" | sed -nE 's/^e2e-[a-z]+-([0-9a-f]+)-.*/\1/p'; }

# ladder LOG: the lines that the story printed, below a heading.
ladder() {
  local commit seed
  commit=$(commit "$1")
  seed=$(sed -n 's/^ladder: seed //p' "$1" | tail -n 1)
  [[ -n $seed ]] || return 0
  printf '\n## Seed %s, commit %s\n\n' "$seed" "${commit:-unknown}"
  sed -n 's/^ladder: //p' "$1" | grep -v '^seed ' | sed 's/ *$//'
}
if [[ $mode == alerts ]]; then
  for log; do
    printf '\nCommit %s:\n\n' "$(commit "$log")"
    sed -n 's/^alerts: //p' "$log"
  done
  exit 0
fi
if [[ $mode == ladder ]]; then
  cat <<'EOF'
# What the ladder is tested with

Each fault is injected into the lab, by itself, under the checks of a cluster and of a small application; where it strikes is drawn
from a seed. `NETLADDER_SEED=… RUN=TestFullLadder hack/e2e.sh full` repeats a run, and `hack/e2e-table.sh ladder` makes this page.
The first table has the faults, what the status said first, and the seconds from the fault to that. The second counts the
diagnoses of all paths that failed while a fault of that rung was in force. "Later another" means that the status named the fault, and
then something that follows from it.

At most two of a run may end Undetermined, and none with a confident wrong answer.
EOF
  for log; do ladder "$log"; done
  exit 0
fi
awk '
  FNR == 1 { runs++ }
  /^--- (PASS|FAIL|SKIP): / {
    story = $3
    if (!(story in seen)) { seen[story] = 1; order[++stories] = story }
    outcome = $2 == "PASS:" ? "" : $2 " "
    cell[story, runs] = outcome substr($4, 2, length($4) - 3)
  }
  END {
    printf "| story"; for (r = 1; r <= runs; r++) printf " | run %d, s", r; print " |"
    printf "|---"; for (r = 1; r <= runs; r++) printf "|---"; print "|"
    for (i = 1; i <= stories; i++) {
      printf "| `%s`", order[i]
      for (r = 1; r <= runs; r++) printf " | %s", (order[i], r) in cell ? cell[order[i], r] : "not run"
      print " |"
    }
  }' "$@"
