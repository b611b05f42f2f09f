#!/usr/bin/env bash
# The figures of docs/performance.md that need no cluster, as Markdown tables:
# what a probe costs, beside what the same connections cost otherwise in the
# same run, and what planning and diagnosing a large cluster takes.
#
#   REPEATS=5 hack/bench.sh     medians of so many interleaved repeats
set -o errexit -o nounset -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

repeats=${REPEATS:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# median of the numbers on standard input, with the least and the greatest.
median() {
  sort -g | awk '{v[NR] = $1} END {
    if (NR == 0) {print "?"; exit}
    m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
    printf "%.4g (%.4g to %.4g)", m, v[1], v[NR]}'
}

# metric FILE BENCHMARK UNIT: the values of one unit of a benchmark's results.
metric() {
  awk -v name="$2" -v unit="$3" '{
    n = $1; sub(/-[0-9]+$/, "", n)
    if (n == name) for (i = 2; i < NF; i++) if ($(i + 1) == unit) print $i}' "$1"
}

machine() {
  local model
  model=$(awk -F': ' '/^model name/ {print $2; exit}' /proc/cpuinfo)
  echo "Commit $(git describe --always --dirty --abbrev=12), ${model:-$(uname -m)}, $(nproc) cores, Linux $(uname -r), $(go env GOVERSION)," \
    "$(date -u +%F), load $(cut -d' ' -f1 /proc/loadavg), $repeats repeats: median (least to greatest)."
}

prober() {
  local out=$work/prober.txt
  go test -c -o "$work/prober.test" ./prober/
  for ((i = 0; i < repeats; i++)); do
    "$work/prober.test" -test.run '^$' -test.benchtime=1x \
      -test.bench '^Benchmark(Agent|AgentGoroutines|AgentAlone|AgentPlaces|BareEpoll|BareDial)$/(200|1000)_per_second' >>"$out"
  done
  echo
  echo "CPU per TCP probe in µs, of this process alone (the listener is another); RSS in MiB, of the benchmark's process."
  echo
  echo "| | 200/s | 1,000/s | RSS at 200/s | RSS at 1,000/s |"
  echo "|---|---|---|---|---|"
  row "Netladder's agent: schedule, probes, states, metrics, reports" 'BenchmarkAgent/%s_per_second'
  row "the same with a goroutine for each probe" 'BenchmarkAgentGoroutines/%s_per_second'
  row "the same without sockets" 'BenchmarkAgentAlone/%s_per_second'
  row "bare system calls, as many at once" 'BenchmarkBareEpoll/%s_per_second'
  row "net.Dial, all of a second at once" 'BenchmarkBareDial/burst_%s_per_second'
  row "net.Dial, one by one" 'BenchmarkBareDial/paced_%s_per_second'
  echo
  echo "The same by where probes start and what they do, all of them from one place, in the same run."
  echo
  echo "| | 200/s | 1,000/s | RSS at 200/s | RSS at 1,000/s |"
  echo "|---|---|---|---|---|"
  row "the prober's own namespace, full handshake" 'BenchmarkAgentPlaces/%s_per_second/own_namespace,_full'
  row "the prober's own namespace, half-open" 'BenchmarkAgentPlaces/%s_per_second/own_namespace,_half-open'
  row "a pod's namespace, full handshake" 'BenchmarkAgentPlaces/%s_per_second/pod,_full'
  row "a pod's namespace, half-open" 'BenchmarkAgentPlaces/%s_per_second/pod,_half-open'
}

# row TITLE BENCHMARK: one line of the prober's table.
row() {
  local unit rate name
  printf '| %s' "$1"
  for unit in cpu-µs/probe RSS-MiB; do
    for rate in 200 1000; do
      # shellcheck disable=SC2059 # the name is a format of ours
      name=$(printf "$2" "$rate")
      printf ' | %s' "$(metric "$work/prober.txt" "$name" "$unit" | median)"
    done
  done
  echo ' |'
}

# control PACKAGE PATTERN: time and memory of pure benchmarks.
control() {
  local out=$work/${1//\//_}.txt name
  go test -run '^$' -bench "$2" -benchmem -count="$repeats" "./$1" >"$out"
  awk '/^Benchmark/ {sub(/-[0-9]+$/, "", $1); if (!seen[$1]++) print $1}' "$out" | while read -r name; do
    printf '| %s %s | %s | %s |\n' "$1" "$name" \
      "$(metric "$out" "$name" ns/op | awk '{print $1 / 1e6}' | median)" \
      "$(metric "$out" "$name" B/op | awk '{print $1 / 1048576}' | median)"
  done
}

machine
prober
echo
echo "| | ms | allocated MiB |"
echo "|---|---|---|"
control controllers/plan 'Build|Replan|Engine'
control controllers/diagnosis Summarize
