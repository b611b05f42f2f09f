#!/usr/bin/env bash
# Makes a Markdown table of the logs of hack/e2e.sh: a row for each story, a
# column for each log with the outcome and the seconds it took.
#   hack/e2e-table.sh dist/e2e-full-*.log
set -euo pipefail
(($# > 0)) || {
  echo "usage: hack/e2e-table.sh LOG..." >&2
  exit 2
}
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
