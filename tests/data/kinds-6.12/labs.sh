# Builds the labs, twice each (copies 1 and 2, named and addressed alike), in the VM.  usage: labs.sh OUT ; needs PERFPATH
# $1 OUT
out=$1
export PAGER=cat PATH=$PATH:/usr/sbin:/sbin
exec 2>&1
ns() { for n in "$@"; do echo "$L$n$K" >> $out/namespaces; ip netns add $L$n$K; ip -n $L$n$K link set lo up; ip netns exec $L$n$K sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv4.icmp_ratelimit=0 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0 net.ipv6.conf.all.forwarding=1; done; }
veth() { ip link add $2 netns $L$1$K type veth peer name $4 netns $L$3$K || echo "FAIL veth $L $*"; ip -n $L$1$K link set $2 up; ip -n $L$3$K link set $4 up; }
i() { n=$1; shift; ip -n $L$n$K -batch - || echo "FAIL $L$n$K"; }
p() { echo "$L $K $L$1$K $2 ${3:-}" >> $out/pings; } # ns target options
base() { ns a b; veth a eth0 b eth0; echo "address add 198.18.0.1/24 dev eth0" | i a; echo "address add 198.18.0.2/24 dev eth0" | i b; }
routed() { ns a r b; veth a eth0 r eth0; veth r eth1 b eth0
  i a <<< "address add 198.18.0.1/24 dev eth0
route add default via 198.18.0.9"
  i b <<< "address add 198.18.1.2/24 dev eth0
route add default via 198.18.1.9"; }
raddr() { i r <<< "address add 198.18.0.9/24 dev eth0
address add 198.18.1.9/24 dev eth1"; }
both() { p a 198.18.5.2; p b 198.18.5.1; }

bond() { ns a b; for e in 0 1; do ip link add eth$e netns $L"a"$K type veth peer name eth$e netns $L"b"$K; done
  x=1; for n in a b; do i $n <<< "link add bond0 type bond mode $1 miimon 100
link set eth0 master bond0
link set eth1 master bond0
link set bond0 up
address add 198.18.5.$x/24 dev bond0"; x=2; done; both; }
lab_bondab() { bond active-backup; }
lab_bondrr() { bond balance-rr; x=1; for n in a b; do i $n <<< "link add link bond0 name bond0.5 type vlan id 5
link set bond0.5 up
address add 198.18.6.$x/24 dev bond0.5"; x=2; done; p a 198.18.6.2; p b 198.18.6.1; }
lab_qinq() { base; x=1; for n in a b; do i $n <<< "link add link eth0 name eth0.5 type vlan id 5
link add link eth0.5 name eth0.5.6 type vlan id 6
link set eth0.5 up
link set eth0.5.6 up
address add 198.18.5.$x/24 dev eth0.5.6"; x=2; done; both; p a 198.18.0.2; }
lab_vlanbr() { ns a b s; veth a eth0 s eth1; veth b eth0 s eth2
  i s <<< "link add eth0 type bridge vlan_filtering 1 vlan_default_pvid 1
link set eth0 up
link set eth1 master eth0
link set eth2 master eth0"
  S="$L"s"$K"; for d in eth1 eth2; do bridge -n $S vlan del dev $d vid 1; done
  bridge -n $S vlan add dev eth1 vid 5 pvid untagged; bridge -n $S vlan add dev eth2 vid 5; bridge -n $S vlan add dev eth0 vid 5 self
  i s <<< "link add link eth0 name eth0.5 type vlan id 5
link set eth0.5 up
address add 198.18.5.9/24 dev eth0.5"
  i a <<< "address add 198.18.5.1/24 dev eth0"
  i b <<< "link add link eth0 name eth0.5 type vlan id 5
link set eth0.5 up
address add 198.18.5.2/24 dev eth0.5"; both; p a 198.18.5.9; p s 198.18.5.2; }
lab_vrf() { routed; i r <<< "link add red type vrf table 10
link set red up
link set eth0 master red
link set eth1 master red"; raddr; p a 198.18.1.2; p b 198.18.0.1; p a 198.18.0.9; p r 198.18.1.2 "-I red"; }
tun() { x=1; for n in a b; do y=$((3-x)); i $n <<< "$(eval echo "\"$1\"")
link set tun0 up
address add 198.18.5.$x/24 dev tun0"; x=2; done; both; }
lab_gre() { routed; raddr; for n in a b; do [ $n = a ] && { l=198.18.0.1 r=198.18.1.2 x=1; } || { l=198.18.1.2 r=198.18.0.1 x=2; }
  i $n <<< "link add tun0 type gre local $l remote $r
link set tun0 up
address add 198.18.5.$x/24 dev tun0"; done; both; }
lab_gretap() { base; tun 'link add tun0 type gretap local 198.18.0.$x remote 198.18.0.$y'; }
lab_ipip() { base; tun 'link add tun0 type ipip local 198.18.0.$x remote 198.18.0.$y'; }
lab_sit() { base; x=1; for n in a b; do i $n <<< "link add tun0 type sit local 198.18.0.$x remote 198.18.0.$((3-x))
link set tun0 up
address add fd00::$x/64 dev tun0 nodad"; x=2; done; p a fd00::2; p b fd00::1; }
lab_ip6gre() { ns a b; veth a eth0 b eth0; x=1; for n in a b; do i $n <<< "address add fd00::$x/64 dev eth0 nodad
link add tun0 type ip6gre local fd00::$x remote fd00::$((3-x))
link set tun0 up
address add 198.18.5.$x/24 dev tun0"; x=2; done; both; }
lab_geneve() { base; tun 'link add tun0 type geneve id 7 remote 198.18.0.$y'; }
lab_vxlan() { base; tun 'link add tun0 type vxlan id 7 remote 198.18.0.$y dstport 4789'; }
wgkeys() { for n in a b; do wg genkey > ${TMPDIR:-/tmp}/$n.key; wg pubkey < ${TMPDIR:-/tmp}/$n.key > ${TMPDIR:-/tmp}/$n.pub; done; }
wgset() { # namespace-of-device own-key peer-pub endpoint-ip
  ip netns exec $L$1$K wg set wg0 private-key ${TMPDIR:-/tmp}/$2.key listen-port 51820 peer $(cat ${TMPDIR:-/tmp}/$3.pub) allowed-ips 0.0.0.0/0 endpoint $4:51820 persistent-keepalive 0; }
lab_wg() { base; wgkeys; x=1; for n in a b; do i $n <<< "link add wg0 type wireguard"; done
  wgset a a b 198.18.0.2; wgset b b a 198.18.0.1; for n in a b; do i $n <<< "link set wg0 up
address add 198.18.5.$x/24 dev wg0"; x=2; done; both; }
lab_wgmoved() { base; ns c d; wgkeys; ip -n $L"a"$K link add wg0 type wireguard; ip -n $L"b"$K link add wg0 type wireguard; ip -n $L"a"$K link set wg0 netns $L"c"$K;  ip -n $L"b"$K link set wg0 netns $L"d"$K
  wgset c a b 198.18.0.2; wgset d b a 198.18.0.1; x=1; for n in c d; do i $n <<< "link set wg0 up
address add 198.18.5.$x/24 dev wg0"; x=2; done; p c 198.18.5.2; p d 198.18.5.1; }
lab_gremoved() { base; ns c d; x=1; for m in ac bd; do i ${m:0:1} <<< "link add eth1 type gretap local 198.18.0.$x remote 198.18.0.$((3-x))"
  ip -n $L${m:0:1}$K link set eth1 netns $L${m:1}$K; i ${m:1} <<< "link set eth1 up
address add 198.18.5.$x/24 dev eth1"; x=2; done; p c 198.18.5.2; p d 198.18.5.1; }
lab_vxmoved() { base; ns c d; x=1; for m in ac bd; do i ${m:0:1} <<< "link add vx9 type vxlan id 7 remote 198.18.0.$((3-x)) dstport 4789"
  ip -n $L${m:0:1}$K link set vx9 netns $L${m:1}$K; i ${m:1} <<< "link set vx9 name eth0
link set eth0 up
address add 198.18.5.$x/24 dev eth0"; x=2; done; p c 198.18.5.2; p d 198.18.5.1; }
ipvl() { ns a c p b; veth p eth0 b eth0; x=1; for n in a c; do i p <<< "link add link eth0 name x9 type ipvlan mode $1
link set x9 netns $L$n$K"; i $n <<< "link set x9 name eth0
link set eth0 up
address add 198.18.5.$x/24 dev eth0
route add default dev eth0"; x=3; done; }
lab_ipvl2() { ipvl l2; i b <<< "address add 198.18.5.2/24 dev eth0"; both; p a 198.18.5.3; p c 198.18.5.2; }
lab_ipvl3() { ipvl l3; i b <<< "address add 198.18.0.2/24 dev eth0
route add 198.18.5.0/24 via 198.18.0.9"; i p <<< "address add 198.18.0.9/24 dev eth0"; p a 198.18.0.2; p b 198.18.5.1; p a 198.18.5.3; }
lab_ipvl3s() { ipvl l3s; i b <<< "address add 198.18.0.2/24 dev eth0
route add 198.18.5.0/24 via 198.18.0.9"; i p <<< "address add 198.18.0.9/24 dev eth0"; p a 198.18.0.2; p b 198.18.5.1; p a 198.18.5.3; }
mac() { ns a p b; veth p eth0 b eth0; i p <<< "link add link eth0 name x9 address 02:00:00:00:00:07 type $1 mode $2
link set x9 netns $L"a"$K"; i a <<< "link set x9 name eth0
link set eth0 up
address add 198.18.5.1/24 dev eth0"; i b <<< "address add 198.18.5.2/24 dev eth0"; }
lab_macpass() { mac macvlan passthru; both; }
lab_macvepa() { mac macvlan vepa; i p <<< "address add 198.18.5.4/24 dev eth0"; both; p p 198.18.5.2; }
lab_macvtap() { mac macvtap bridge; i b <<< "neigh add 198.18.5.1 lladdr 02:00:00:00:00:07 dev eth0 nud permanent"; p b 198.18.5.1; p a 198.18.5.2; }
lab_dummy() { base; i a <<< "link add dummy0 type dummy
link set dummy0 up
address add 198.18.9.1/24 dev dummy0"; i b <<< "route add 198.18.9.0/24 via 198.18.0.1"; p b 198.18.9.1; p b 198.18.9.5; p a 198.18.9.1; p a 198.18.9.6; }
lab_ifb() { base; for n in a b; do i $n <<< "link add ifb0 type ifb
link set ifb0 up"; tc -n $L$n$K qdisc add dev eth0 handle ffff: ingress; tc -n $L$n$K filter add dev eth0 parent ffff: matchall action mirred egress redirect dev ifb0; done; p a 198.18.0.2; p b 198.18.0.1; }
lab_ifbout() { base; for n in a b; do i $n <<< "link add ifb0 type ifb
link set ifb0 up"; tc -n $L$n$K qdisc add dev eth0 clsact; tc -n $L$n$K filter add dev eth0 egress matchall action mirred egress redirect dev ifb0; done; p a 198.18.0.2; p b 198.18.0.1; }
lab_redirect() { ns a r b; veth a eth0 r eth0; veth r eth1 b eth0; R=$L"r"$K; for e in "eth0 eth1" "eth1 eth0"; do set -- $e; tc -n $R qdisc add dev $1 handle ffff: ingress; tc -n $R filter add dev $1 parent ffff: matchall action mirred egress redirect dev $2; done
  i a <<< "address add 198.18.5.1/24 dev eth0"; i b <<< "address add 198.18.5.2/24 dev eth0"; both; }
lab_mirror() { routed; raddr; i r <<< "link add eth2 type dummy
link set eth2 up"; R=$L"r"$K; tc -n $R qdisc add dev eth0 handle ffff: ingress; tc -n $R filter add dev eth0 parent ffff: matchall action mirred egress mirror dev eth2; p a 198.18.1.2; p b 198.18.0.1; }
lab_inredir() { base; ns c; veth a eth1 c eth0; i c <<< "address add 198.18.0.3/24 dev eth0"; A=$L"a"$K; tc -n $A qdisc add dev eth1 handle ffff: ingress; tc -n $A filter add dev eth1 parent ffff: matchall action mirred ingress redirect dev eth0
  ip netns exec $A sysctl -qw net.ipv4.conf.all.arp_ignore=0; p a 198.18.0.2; p c 198.18.0.1; }
lab_team() { ns a b; for e in 0 1; do ip link add eth$e netns $L"a"$K type veth peer name eth$e netns $L"b"$K; done
  x=1; for n in a b; do i $n <<< "link add team0 type team
link set eth0 master team0
link set eth1 master team0
link set team0 up
link set eth0 up
link set eth1 up
address add 198.18.5.$x/24 dev team0"
  ip netns exec $L$n$K teamnl team0 setoption mode roundrobin
  x=2; done; both; }
lab_nested() { ns a b s; veth a eth0 s eth1; veth b eth0 s eth2; i s <<< "link add br0 type bridge
link add br1 type bridge
link add v0 type veth peer name v1
link set v0 master br0 up
link set v1 master br1 up
link set eth1 master br0
link set eth2 master br1
link set br0 up
link set br1 up
address add 198.18.5.9/24 dev br0"; i a <<< "address add 198.18.5.1/24 dev eth0"; i b <<< "address add 198.18.5.2/24 dev eth0"; both; p a 198.18.5.9; p b 198.18.5.9; p s 198.18.5.2; }
lab_brvlan() { ns a b s t; veth a eth0 s eth1; veth b eth0 t eth1; veth s eth0 t eth0; for n in s t; do i $n <<< "link add br0 type bridge
link add link eth0 name eth0.5 type vlan id 5
link set eth0.5 master br0 up
link set eth1 master br0
link set br0 up"; done; i s <<< "address add 198.18.5.8/24 dev br0"; i t <<< "address add 198.18.5.9/24 dev br0"; p a 198.18.5.9; p s 198.18.5.9; i a <<< "address add 198.18.5.1/24 dev eth0"; i b <<< "address add 198.18.5.2/24 dev eth0"; both; }
lab_brgretap() { ns a b s t; veth a eth0 s eth1; veth b eth0 t eth1; veth s eth0 t eth0; x=1; for n in s t; do i $n <<< "address add 198.18.0.$x/24 dev eth0
link add tun0 type gretap local 198.18.0.$x remote 198.18.0.$((3-x))
link add br0 type bridge
link set tun0 master br0 up
link set eth1 master br0
link set br0 up"; x=2; done; i a <<< "address add 198.18.5.1/24 dev eth0"; i b <<< "address add 198.18.5.2/24 dev eth0"; both; }
lab_stick() { ns a b s r; veth a eth0 s eth1; veth b eth0 s eth2; veth r eth0 s eth3; i s <<< "link add eth0 type bridge
link set eth1 master eth0
link set eth2 master eth0
link set eth3 master eth0
link set eth0 up"; i r <<< "address add 198.18.0.9/24 dev eth0
address add 198.18.1.9/24 dev eth0"; i a <<< "address add 198.18.0.1/24 dev eth0
route add default via 198.18.0.9"; i b <<< "address add 198.18.1.2/24 dev eth0
route add default via 198.18.1.9"; p a 198.18.1.2; p b 198.18.0.1; p a 198.18.0.9; }
lab_nat() { routed; raddr; ip netns exec $L"r"$K nft -f - <<< 'table ip n { chain post { type nat hook postrouting priority 100; oifname "eth1" masquerade; }
chain pre { type nat hook prerouting priority -100; ip daddr 198.18.0.77 dnat to 198.18.1.2; } }'; i a <<< "route add 198.18.0.77/32 via 198.18.0.9"; p a 198.18.1.2; p a 198.18.0.77; }
lab_macsec() { base; k1=00112233445566778899aabbccddeeff; x=1; for n in a b; do :; done
  A=$L"a"$K B=$L"b"$K; ip -n $A link set eth0 address 02:00:00:00:00:01; ip -n $B link set eth0 address 02:00:00:00:00:02
  x=1; for n in a b; do y=$((3-x)); ip -n $L$n$K link add link eth0 name eth1 type macsec encrypt on || echo FAIL macsec; ip -n $L$n$K macsec add eth1 tx sa 0 pn 1 on key 0$x $k1; ip -n $L$n$K macsec add eth1 rx port 1 address 02:00:00:00:00:0$y; ip -n $L$n$K macsec add eth1 rx port 1 address 02:00:00:00:00:0$y sa 0 pn 1 on key 0$y $k1
  i $n <<< "link set eth1 up
address add 198.18.5.$x/24 dev eth1"; x=2; done; both; }
lab_xfrm() { base; for n in a b; do [ $n = a ] && { l=198.18.0.1 r=198.18.0.2 il=198.18.5.1 ir=198.18.5.2; } || { l=198.18.0.2 r=198.18.0.1 il=198.18.5.2 ir=198.18.5.1; }
 i $n <<< "address add $il/32 dev lo
route add $ir/32 dev eth0 src $il
xfrm state add src 198.18.0.1 dst 198.18.0.2 proto esp spi 1 mode tunnel auth sha1 0x0123456789012345678901234567890123456789 enc aes 0x00112233445566778899aabbccddeeff
xfrm state add src 198.18.0.2 dst 198.18.0.1 proto esp spi 2 mode tunnel auth sha1 0x0123456789012345678901234567890123456789 enc aes 0x00112233445566778899aabbccddeeff
xfrm policy add src $il/32 dst $ir/32 dir out tmpl src $l dst $r proto esp mode tunnel
xfrm policy add src $ir/32 dst $il/32 dir in tmpl src $r dst $l proto esp mode tunnel"; done; both; }
lab_frag() { routed; raddr; p a 198.18.1.2 "-s 3000"; p b 198.18.0.1 "-s 3000"; }
lab_greipip() { base; tun 'link add tun0 type ipip local 198.18.0.$x remote 198.18.0.$y'; x=1; for n in a b; do i $n <<< "link add tun1 type gretap local 198.18.5.$x remote 198.18.5.$((3-x))
link set tun1 up
address add 198.18.7.$x/24 dev tun1"; x=2; done; p a 198.18.7.2; p b 198.18.7.1; }
lab_loopveth() { ns a b; i a <<< "link add eth0 type veth peer name eth1
link add br0 type bridge
link set eth1 master br0
link set eth0 up
link set eth1 up
link set br0 up
address add 198.18.5.1/24 dev eth0"; ip link add eth2 netns $L"a"$K type veth peer name eth0 netns $L"b"$K; i a <<< "link set eth2 master br0 up"; i b <<< "link set eth0 up
address add 198.18.5.2/24 dev eth0"; both; }
skip_bareudp() { base; x=1; for n in a b; do y=$((3-x)); i $n <<< "link add tun0 type bareudp dstport 6635 ethertype ipv4
link set tun0 up
address add 198.18.5.$x/32 dev lo
route add 198.18.5.$y/32 encap ip id 1 dst 198.18.0.$y dev tun0 src 198.18.5.$x"; x=2; done; both; }

lab_portvlan() { ns a b s; veth a eth0 s eth1; veth s eth0 b eth0; i s <<< "link add br0 type bridge
link set eth1 master br0
link set br0 up
link add link eth1 name eth1.5 type vlan id 5
link set eth1.5 up
address add 198.18.5.9/24 dev eth1.5
address add 198.18.1.9/24 dev eth0"; i a <<< "link add link eth0 name eth0.5 type vlan id 5
link set eth0.5 up
address add 198.18.5.1/24 dev eth0.5
route add default via 198.18.5.9"; i b <<< "address add 198.18.1.2/24 dev eth0
route add default via 198.18.1.9"; p a 198.18.1.2; p b 198.18.5.1; p a 198.18.5.9; }
lab_vlanmoved() { ns a p b; veth p eth0 b eth0; i p <<< "link add link eth0 name eth0.5 type vlan id 5
link set eth0.5 netns $L"a"$K
address add 198.18.0.1/24 dev eth0"; i a <<< "link set eth0.5 name eth0
link set eth0 up
address add 198.18.5.1/24 dev eth0"; i b <<< "address add 198.18.0.2/24 dev eth0
link add link eth0 name eth0.5 type vlan id 5
link set eth0.5 up
address add 198.18.5.2/24 dev eth0.5"; both; p p 198.18.0.2; }
lab_brbond() { ns a b s t; veth a eth2 s eth2; ip -n $L"a"$K link set eth2 name eth9; ip -n $L"a"$K link set eth9 down;  ip -n $L"a"$K link set eth9 name eth0;  ip -n $L"a"$K link set eth0 up; veth b eth0 t eth2; for e in 0 1; do ip link add eth$e netns $L"s"$K type veth peer name eth$e netns $L"t"$K; done
  x=8; for n in s t; do i $n <<< "link add bond0 type bond mode active-backup miimon 100
link set eth0 master bond0
link set eth1 master bond0
link set bond0 up
link add br0 type bridge
link set bond0 master br0
link set eth2 master br0
link set br0 up
address add 198.18.5.$x/24 dev br0"; x=9; done; i a <<< "address add 198.18.5.1/24 dev eth0"; i b <<< "address add 198.18.5.2/24 dev eth0"; both; p a 198.18.5.9; p s 198.18.5.9; }

all=$(declare -F | sed -n 's/^declare -f lab_//p')
LABS=${LABS:-$all}
ping_all() { # PHASE-COPIES count: lab by lab, all at once within
  for L in $LABS; do
    pids=
    while read -r lab copy n target options; do
      [ "$lab" = $L ] || continue
      case "$1" in *$copy*) ;; *) continue ;; esac
      ip netns exec $n ping -q -n -c $2 -i 0.03 -W 2 $options $target </dev/null >$out/ping.$n.$target 2>&1 &
      pids="$pids $!"
    done < $out/pings
    wait $pids
  done
}
if [ "${2:-}" = traffic ]; then
  cat /proc/uptime > $out/phase0; ping_all 1 3; sleep 0.3; cat /proc/uptime > $out/phase1; ping_all 12 3; sleep 0.5; cat /proc/uptime > $out/phase2
  exit
fi

: > $out/pings; : > $out/namespaces
for L in $LABS; do for K in 1 2; do lab_$L; done; done
echo "built at $(cat /proc/uptime)"
sleep 3 # duplicate address detection
pids=
while read -r lab copy n target options; do
  { ip netns exec $n ping -q -n -c 2 -i 0.3 -W 5 $options $target </dev/null >${TMPDIR:-/tmp}/warm.$n.$target 2>&1 || echo "no answer: $lab $n $target $options"; } & pids="$pids $!"
done < $out/pings
wait $pids
[ -z "${CHECK:-}" ] || exit
sleep 1
echo "warm at $(cat /proc/uptime)"
$PERFPATH record --packets ${PACKETS:-tprobe} -o $out/capture bash $0 $out traffic
echo "recorded at $(cat /proc/uptime)"
