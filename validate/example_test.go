package validate_test

import (
	"fmt"
	"net/netip"

	"github.com/zmap-go/zmap/validate"
)

func ExampleTagger() {
	key := validate.Key{0x96, 0x6b, 0xda, 0x1c, 0x42, 0xcd, 0xc5, 0x28, 0xc2, 0x82, 0xcd, 0x7c, 0xf0, 0x16, 0xb2, 0x73}
	tagger := validate.NewTagger(key, validate.DefaultPorts(), 1)
	us, target := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("8.8.8.8")

	tag := tagger.Tag(us, target, 80)
	sport := tagger.Ports().Of(tag, 0)
	fmt.Println("SYN from port", sport, "with sequence number", tag.Seq())

	// A SYN-ACK from 8.8.8.8 port 80 to that port, acknowledging 3175278636.
	again := tagger.Tag(us, target, 80)
	fmt.Println(tagger.Ports().Match(again, sport, tagger.Tries()) && again.Seq()+1 == 3175278636)
	// Output:
	// SYN from port 34558 with sequence number 3175278635
	// true
}
