package plan

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

var scanner = netip.MustParseAddr("192.0.2.9")

func judge(t *testing.T, p *Plan) *Judge {
	t.Helper()
	j, err := NewJudge(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestWhose knows each probe of a whole scan, with the shard that sends it and when, and no packet that differs in one number.
func TestWhose(t *testing.T) {
	p := example()
	j := judge(t, p)
	key, err := p.ProbeKey()
	if err != nil {
		t.Fatal(err)
	}
	sources, ports := validate.Ports{First: 32768, Last: 61000}, target.NewPorts(80, 443)
	tags := validate.NewTagger(key, sources, 1)
	space, cycle, err := p.order(t.Context(), ports)
	if err != nil {
		t.Fatal(err)
	}
	for shard := range p.Shards {
		walks, err := cycle.Walks(permute.Shard{N: shard, Of: p.Shards}, 1)
		if err != nil {
			t.Fatal(err)
		}
		sent := 0
		for index, ok := walks[0].Next(); ok; index, ok = walks[0].Next() {
			to := space.At(index)
			tag := tags.Tag(scanner, to.Addr, to.Port)
			packet := Packet{Src: scanner, Dst: to.Addr, SrcPort: int(sources.Of(tag, 0)), DstPort: int(to.Port), Seq: int64(tag.Seq()), ICMPID: -1, ICMPSeq: -1}
			v := j.Judge(&packet)
			due := time.Duration(float64(sent) / p.Rate * float64(time.Second))
			if v.Answer != Yes || v.Shard != shard || (v.After-due).Abs() > 40*time.Millisecond {
				t.Fatalf("probe %d of shard %d, due after %v: %+v", sent, shard, due, v)
			}
			sent++
			for what, change := range map[string]func(*Packet){
				"seq": func(p *Packet) { p.Seq ^= 1 }, "source port": func(p *Packet) { p.SrcPort ^= 1 }, "source": func(p *Packet) { p.Src = p.Src.Next() },
				"port": func(p *Packet) { p.DstPort++ }, "no ports": func(p *Packet) { p.SrcPort, p.DstPort = -1, -1 },
			} {
				other := packet
				change(&other)
				if v := j.Judge(&other); v.Answer != No || v.Why == "" {
					t.Fatalf("%s: %+v", what, v)
				}
			}
			packet.Seq = -1
			if v := j.Judge(&packet); v.Answer != Perhaps || v.Shard != shard {
				t.Fatalf("without a sequence number: %+v", v)
			}
		}
	}
}

// TestWhoseEcho goes by the numbers of an echo request.
func TestWhoseEcho(t *testing.T) {
	p := example()
	p.Probe, p.Ports, p.Rate = "icmp_echoscan", "", 0
	j := judge(t, p)
	key, _ := p.ProbeKey()
	to := netip.MustParseAddr("10.0.2.7")
	tag := validate.NewTagger(key, validate.Ports{First: 32768, Last: 61000}, 1).Tag(scanner, to, 0)
	packet := Packet{Src: scanner, Dst: to, SrcPort: -1, DstPort: -1, Seq: -1, ICMPID: int(tag.ICMPID()), ICMPSeq: int(tag.ICMPSeq())}
	if v := j.Judge(&packet); v.Answer != Yes || v.After != 0 {
		t.Errorf("%+v", v)
	}
	packet.ICMPSeq ^= 1
	if v := j.Judge(&packet); v.Answer != No {
		t.Errorf("another seq: %+v", v)
	}
	packet.ICMPID = -1
	if v := j.Judge(&packet); v.Answer != Perhaps {
		t.Errorf("no id: %+v", v)
	}
	packet.Dst = netip.MustParseAddr("10.0.3.7")
	if v := j.Judge(&packet); v.Answer != No {
		t.Errorf("not asked: %+v", v)
	}
}

// TestParsePacket reads one packet as several programs write it.
func TestParsePacket(t *testing.T) {
	src, dst := netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("192.0.2.1")
	tcp := Packet{Src: src, Dst: dst, SrcPort: 40000, DstPort: 443, Seq: 4000000000, ICMPID: -1, ICMPSeq: -1, TCP: true}
	udp := tcp
	udp.Seq, udp.TCP, udp.UDP = -1, false, true
	bare := udp
	bare.UDP = false
	echo := Packet{Src: src, Dst: dst, SrcPort: -1, DstPort: -1, Seq: -1, ICMPID: 7, ICMPSeq: 65535, ICMP: true}
	for line, want := range map[string]Packet{
		"Nov 27 06:00:00 gw kernel: [1.5] DROP IN=eth0 OUT= MAC=aa:bb SRC=203.0.113.5 DST=192.0.2.1 LEN=44 TOS=0x00 PREC=0x00 TTL=52 ID=54321 PROTO=TCP SPT=40000 DPT=443 SEQ=4000000000 ACK=0 WINDOW=65535 RES=0x00 SYN URGP=0": tcp,
		"IN=eth0 SRC=203.0.113.5 DST=192.0.2.1 LEN=44 ID=54321 PROTO=UDP SPT=40000 DPT=443 LEN=24":                                                                                                                               udp,
		"IN=eth0 SRC=203.0.113.5 DST=192.0.2.1 LEN=28 ID=54321 PROTO=ICMP TYPE=8 CODE=0 ID=7 SEQ=65535":                                                                                                                          echo,
		"06:00:00.123456 IP 203.0.113.5.40000 > 192.0.2.1.443: Flags [S], seq 4000000000, win 65535, options [mss 1460], length 0":                                                                                               tcp,
		"06:00:00.123456 IP 203.0.113.5.40000 > 192.0.2.1.443: UDP, length 12":                                                                                                                                                   bare,
		"IP 203.0.113.5 > 192.0.2.1: ICMP echo request, id 7, seq 65535, length 8":                                                                                                                                               echo,
		"203.0.113.5,40000,192.0.2.1,443,4000000000":                                                                                                                                                                             tcp,
		" 203.0.113.5, 40000 ,::ffff:192.0.2.1,443":                                                                                                                                                                              bare,
	} {
		got, err := ParsePacket(line)
		if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" || err != nil {
			t.Errorf("%s: %v\n%s", line, err, d)
		}
	}
	for _, line := range []string{"", "x", "1,2,3,4", "SRC=1.2.3.4", "SRC=1.2.3.4 DST=x", "SRC=1.2.3.4 DST=1.2.3.5 SPT=65536", "IP a > b: x", "1.2.3.4,1,1.2.3.5,2,4294967296", "1.2.3.4,1,1.2.3.5,2,3,4"} {
		if got, err := ParsePacket(line); err == nil {
			t.Errorf("%q is %+v", line, got)
		}
	}
}

// FuzzParsePacket reads any line. What it takes has addresses, and numbers in their ranges.
func FuzzParsePacket(f *testing.F) {
	f.Add("SRC=203.0.113.5 DST=192.0.2.1 PROTO=ICMP ID=7 SEQ=1")
	f.Add("IP 203.0.113.5.40000 > 192.0.2.1.443: Flags [S], seq 4000000000, win")
	f.Add("203.0.113.5,40000,192.0.2.1,443,4000000000")
	f.Fuzz(func(t *testing.T, line string) {
		p, err := ParsePacket(line)
		if err != nil {
			return
		}
		if !p.Src.IsValid() || !p.Dst.IsValid() || p.Src.Zone() != "" || min(p.SrcPort, p.DstPort, p.ICMPID, p.ICMPSeq) < -1 ||
			max(p.SrcPort, p.DstPort, p.ICMPID, p.ICMPSeq) > 65535 || p.Seq < -1 || p.Seq > 1<<32-1 {
			t.Errorf("%q: %+v", line, p)
		}
	})
}

// BenchmarkJudge is one packet against a plan of all of IPv4.
func BenchmarkJudge(b *testing.B) {
	p := example()
	p.Networks = []string{"0.0.0.0/0"}
	j, err := NewJudge(b.Context(), p)
	if err != nil {
		b.Fatal(err)
	}
	packet := Packet{Src: scanner, DstPort: 80, Seq: -1}
	for b.Loop() {
		packet.Dst = netip.AddrFrom4([4]byte{byte(rand.Uint32()), 1, 2, 3})
		packet.SrcPort = int(rand.Uint32N(1 << 16))
		j.Judge(&packet)
	}
}
