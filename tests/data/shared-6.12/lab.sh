# Runs in the VM, as root: two namespaces on one device, in all modes of macvlan and ipvlan; all are called eth0.
# usage: REPO=... PYTHON=... bash lab.sh OUT
set -u
export PAGER=cat PATH=$PATH:/usr/sbin:/sbin
out=$1
mount -t tracefs none /sys/kernel/tracing 2>/dev/null
for module in veth bridge macvlan macvtap ipvlan ipvtap; do modprobe $module || echo "no $module"; done
ip link set lo up
mount -t tmpfs none /lib/modules
PYTHONPATH=$REPO/tests/support $PYTHON -c 'import oracle; print(oracle.PROGRAM)' > /tmp/oracle.bt
lab() { # NAME KIND MODE BOXES HAIRPIN
  name=$1 kind=$2 mode=$3 boxes=$4 hairpin=$5
  echo "=== $name $(cut -d' ' -f1 /proc/uptime)"
  mkdir -p $out/$name
  ip netns add h; ip netns add o; ip -n h link set lo up; ip -n o link set lo up
  ip link add eth0 netns h type veth peer name eth0 netns o
  ip -n h link set eth0 up
  if [ $hairpin = 1 ]; then
    ip -n o link add br0 type bridge; ip -n o link set eth0 master br0 up; ip -n o link set br0 up; ip netns exec o bridge link set dev eth0 hairpin on
    dev=br0
  else ip -n o link set eth0 up; dev=eth0; fi
  ip -n o address add 198.18.7.9/24 dev $dev
  mac=$(ip -n h -j link show eth0 | $PYTHON -c 'import json,sys; print(json.load(sys.stdin)[0]["address"])')
  for b in $(seq $boxes); do
    ip netns add b$b; ip -n b$b link set lo up
    ip -n h link add x$b link eth0 type $kind mode $mode || return
    ip -n h link set x$b netns b$b; ip -n b$b link set x$b name eth0; ip -n b$b link set eth0 up; ip -n b$b address add 198.18.7.1$b/24 dev eth0
    case $mode in l3*) ip -n o neigh replace 198.18.7.1$b lladdr $mac dev $dev nud permanent;; esac
  done
  sleep 1
  for b in $(seq $boxes); do ip netns exec b$b ping -q -c 1 -W 1 198.18.7.9 >/dev/null; ip netns exec o ping -q -c 1 -W 1 198.18.7.1$b > /dev/null; done
  [ $boxes = 1 ] || ip netns exec b1 ping -q -c 1 -W 1 198.18.7.12 >/dev/null
  $PYTHON -c "import time; print(time.monotonic_ns())" > $out/$name/since
  pings=
  p() { ip netns exec $1 ping -q -n -c 8 -i 0.1 -W 2 $2 > $out/$name/ping.$1.$2 & pings="$pings $!"; }
  p b1 198.18.7.9; p o 198.18.7.11
  [ $boxes = 1 ] || { p b1 198.18.7.12; p b2 198.18.7.9; p o 198.18.7.12; }
  [ $boxes = 1 ] || p b2 198.18.7.11
  wait $pings
  $PYTHON -c "import time; print(time.monotonic_ns())" > $out/$name/until
  PYTHONPATH=$REPO $PYTHON -m perfpath topology --format json > $out/$name/inventory.json
  grep -h "transmitted" $out/$name/ping.* 
  for n in $(ip netns list | cut -d' ' -f1); do ip netns del $n; done; sleep 1
}
  BPFTRACE_PERF_RB_PAGES=512 BPFTRACE_STRLEN=32 bpftrace /tmp/oracle.bt > $out/oracle.txt 2> $out/errors.txt &
  bpf=$!
  until grep -q ready $out/oracle.txt; do kill -0 $bpf || { cat $out/errors.txt; exit; }; sleep 0.2; done
  rm -f /tmp/control /tmp/answer; mkfifo /tmp/control /tmp/answer
  perf record -q -a --namespaces -k CLOCK_MONOTONIC -D -1 -m 256 --control=fifo:/tmp/control,/tmp/answer -o /tmp/perf.data \
    -e net:net_dev_queue -e net:netif_rx -e net:netif_receive_skb_entry -e net:napi_gro_receive_entry &
  perf=$!
  exec 3<> /tmp/control 4<> /tmp/answer; echo enable >&3; read -r answer <&4
for l in ${LABS:-mvbridge mvprivate mvvepa mvpassthru mtbridge mtvepa ivl2 ivl2p ivl2v ivl3 ivl3p ivl3v ivl3s ivl3sv it3}; do
case $l in
mvbridge) lab $l macvlan bridge 2 0;;
mvprivate) lab $l macvlan private 2 0;;
mvvepa) lab $l macvlan vepa 2 1;;
mvpassthru) lab $l macvlan passthru 1 0;;
mtbridge) lab $l macvtap bridge 2 0;;
mtvepa) lab $l macvtap vepa 2 1;;
ivl2) lab $l ipvlan l2 2 0;;
ivl2p) lab $l ipvlan "l2 private" 2 0;;
ivl2v) lab $l ipvlan "l2 vepa" 2 1;;
ivl3) lab $l ipvlan l3 2 0;;
ivl3p) lab $l ipvlan "l3 private" 2 0;;
ivl3v) lab $l ipvlan "l3 vepa" 2 1;;
ivl3s) lab $l ipvlan l3s 2 0;;
ivl3sv) lab $l ipvlan "l3s vepa" 2 1;;
it3) lab $l ipvtap l3 2 0;;
esac; done
kill -INT $perf; wait $perf; kill -INT $bpf; wait $bpf; cp /tmp/perf.data $out/perf.data; echo finished; echo done > $out/finished
