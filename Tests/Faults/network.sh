#!/bin/sh
# Runs a command of atelier-cluster on two ranks with a network of a given bandwidth between them: two network
# namespaces joined by a pair of virtual cables (tc's token bucket), one of Open MPI's daemons in each.
#
#   sudo Tests/Faults/network.sh 1gbit [DELAY] -- .build/release/atelier-cluster pace --threads 1 --only B-dncnn
#
# DELAY, such as 1ms, needs the kernel's sch_netem; without a bandwidth's limit give "none".
set -eu
rate=$1
shift
delay=""
[ "$1" = -- ] || { delay=$1; shift; }
shift

name=atelier-rank1
agent=$(mktemp)
trap 'ip netns del $name 2> /dev/null || true; ip link del atelier0 2> /dev/null || true; rm -f "$agent"' EXIT
ip netns del $name 2> /dev/null || true
ip link del atelier0 2> /dev/null || true
ip netns add $name
ip link add atelier0 type veth peer name atelier1
ip link set atelier1 netns $name
ip addr add 10.77.0.1/24 dev atelier0
ip link set atelier0 up
ip netns exec $name ip addr add 10.77.0.2/24 dev atelier1
ip netns exec $name ip link set atelier1 up
ip netns exec $name ip link set lo up

limit() { # limit DEVICE [before]
  device=$1
  shift
  parent=root
  if [ -n "$delay" ]; then
    "$@" tc qdisc add dev "$device" root handle 1: netem delay "$delay" limit 100000
    parent="parent 1:"
  fi
  # shellcheck disable=SC2086
  [ "$rate" = none ] || "$@" tc qdisc add dev "$device" $parent tbf rate "$rate" burst 256kb latency 100ms
}
limit atelier0 env
limit atelier1 ip netns exec $name

# What mpirun takes for a remote shell goes into the namespace instead.
printf '#!/bin/sh\nshift\nexec ip netns exec %s sh -c "$*"\n' $name > "$agent"
chmod +x "$agent"
exec_mpirun() {
  mpirun --allow-run-as-root --oversubscribe --bind-to none --mca plm_rsh_agent "$agent" \
    --mca plm_rsh_no_tree_spawn 1 --mca oob_tcp_if_include atelier0,atelier1 --mca btl tcp,self \
    --mca btl_tcp_if_include 10.77.0.0/24 --host "$(hostname):1,10.77.0.2:1" -n 2 "$@"
}
exec_mpirun "$@"
