#!/bin/sh
# Runs a command of atelier-cluster on two ranks with a network of a given bandwidth between them: two network
# namespaces joined by a pair of virtual cables (tc's token bucket), one of Open MPI's daemons in each.
#
#   sudo Tests/Faults/network.sh 1gbit [DELAY] -- .build/release/atelier-cluster pace --threads 1 --only B-dncnn
#
# DELAY, such as 1ms, comes from the kernel's netem, or from cable.py where the kernel has none; without a
# bandwidth's limit give "none".
set -eu
rate=$1
shift
delay=""
[ "$1" = -- ] || { delay=$1; shift; }
shift

name=atelier-rank1
agent=$(mktemp)
cable=""
trap '[ -z "$cable" ] || kill $cable 2> /dev/null; ip netns del $name 2> /dev/null || true
  ip link del atelier0 2> /dev/null || true; rm -f "$agent"' EXIT
ip netns del $name 2> /dev/null || true
ip link del atelier0 2> /dev/null || true
ip netns add $name
ip netns exec $name ip link set lo up

join_by_kernel() {
  ip link add atelier0 type veth peer name atelier1
  ip link set atelier1 netns $name
  ip addr add 10.77.0.1/24 dev atelier0
  ip link set atelier0 up
  ip netns exec $name ip addr add 10.77.0.2/24 dev atelier1
  ip netns exec $name ip link set atelier1 up
  for before in "" "ip netns exec $name"; do
    device=atelier0
    [ -z "$before" ] || device=atelier1
    parent=root
    if [ -n "$delay" ]; then
      $before tc qdisc add dev $device root handle 1: netem delay "$delay" limit 100000 2> /dev/null || return 1
      parent="parent 1:"
    fi
    # shellcheck disable=SC2086
    [ "$rate" = none ] || $before tc qdisc add dev $device $parent tbf rate "$rate" burst 256kb latency 100ms
  done
}

# The same in a process, where the kernel has no netem; rates as 100mbit or 1gbit, delays as 500us or 2ms.
join_by_cable() {
  ip link del atelier0 2> /dev/null || true
  number() { python3 -c 'import re, sys
value, unit = re.fullmatch(r"([0-9.]+)([a-z]+)", sys.argv[1]).groups()
print(float(value) * {"kbit": 125, "mbit": 125e3, "gbit": 125e6, "us": 1e-6, "ms": 1e-3, "s": 1}[unit])' "$1"; }
  bytes=1e12
  [ "$rate" = none ] || bytes=$(number "$rate")
  ready=$(mktemp)
  python3 "$(dirname "$0")/cable.py" $name "$bytes" "$(number "$delay")" > "$ready" &
  cable=$!
  until grep -q ready "$ready" 2> /dev/null; do
    kill -0 $cable 2> /dev/null || { echo "no cable could be laid: /dev/net/tun is needed" >&2; exit 69; }
    sleep 0.05
  done
  rm -f "$ready"
}
join_by_kernel || join_by_cable

# What mpirun takes for a remote shell goes into the namespace instead.
printf '#!/bin/sh\nshift\nexec ip netns exec %s sh -c "$*"\n' $name > "$agent"
chmod +x "$agent"
exec_mpirun() {
  mpirun --allow-run-as-root --oversubscribe --bind-to none --mca plm_rsh_agent "$agent" \
    --mca plm_rsh_no_tree_spawn 1 --mca oob_tcp_if_include atelier0,atelier1 --mca btl tcp,self \
    --mca btl_tcp_if_include 10.77.0.0/24 --host "$(hostname):1,10.77.0.2:1" -n 2 "$@"
}
exec_mpirun "$@"
