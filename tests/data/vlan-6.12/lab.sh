# Runs in the VM, as root: two hosts with two VLANs each behind a bridge; every parent is called eth0.
# usage: REPO=... PYTHON=... bash lab.sh OUT
set -eu
export PAGER=cat
out=$1
mount -t tracefs none /sys/kernel/tracing 2>/dev/null || true
mount -t debugfs none /sys/kernel/debug 2>/dev/null || true
for module in veth bridge 8021q; do modprobe $module; done
for name in left right switch; do ip netns add $name; ip -n $name link set lo up; done
number=0
ip -n switch link add br0 type bridge
for name in left right; do
  number=$((number + 1))
  ip link add eth0 netns $name type veth peer name port$number netns switch
  ip -n switch link set port$number master br0 up
  ip -n $name link set eth0 up
  ip -n $name address add 198.18.0.$number/24 dev eth0
  for vlan in 5 6; do
    ip -n $name link add link eth0 name eth0.$vlan type vlan id $vlan
    ip -n $name link set eth0.$vlan up
    ip -n $name address add 198.18.$vlan.$number/24 dev eth0.$vlan
  done
done
ip -n switch link set br0 up
for net in 0 5 6; do ip netns exec left ping -q -c 1 -W 10 198.18.$net.2; done  # ARP is over
PYTHONPATH=$REPO/tests/support $PYTHON -c 'import oracle; print(oracle.PROGRAM)' > /tmp/oracle.bt
BPFTRACE_PERF_RB_PAGES=512 BPFTRACE_STRLEN=32 bpftrace /tmp/oracle.bt > $out/oracle.txt 2> $out/errors.txt &
bpftrace=$!
until grep -q ready $out/oracle.txt; do kill -0 $bpftrace || { cat $out/errors.txt; exit 1; }; sleep 0.2; done
mkfifo /tmp/control /tmp/answer
perf record -q -a --namespaces -k CLOCK_MONOTONIC -D -1 -m 256 --control=fifo:/tmp/control,/tmp/answer -o /tmp/perf.data \
  -e net:net_dev_queue -e net:netif_rx -e net:netif_receive_skb_entry -e net:napi_gro_receive_entry &
perf=$!
exec 3<> /tmp/control 4<> /tmp/answer
echo enable >&3
read -r answer <&4
[ "$answer" = ack ]
pings=
for net in 0 5 6; do
  ip netns exec left ping -q -n -c 10 -i 0.05 -W 10 198.18.$net.2 & pings="$pings $!"
  ip netns exec right ping -q -n -c 10 -i 0.05 -W 10 198.18.$net.1 & pings="$pings $!"
done
wait $pings
kill -INT $perf; wait $perf || true
kill -INT $bpftrace; wait $bpftrace || true
gzip -9nc /tmp/perf.data > $out/perf.data.gz
PYTHONPATH=$REPO $PYTHON -m perfpath topology --format json > $out/inventory.json
ls -l $out
