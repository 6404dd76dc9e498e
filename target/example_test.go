package target_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/zmap-go/zmap/target"
)

func ExampleBuilder() {
	ports, err := target.ParsePorts("80,443")
	if err != nil {
		fmt.Println(err)
		return
	}
	b := target.Builder{Ports: ports}
	if err := b.Add(target.Allow, "198.51.100.0/30"); err != nil {
		fmt.Println(err)
		return
	}
	if err := b.Read(target.Block, strings.NewReader("198.51.100.1 # asked not to be scanned"), "blocklist.conf"); err != nil {
		fmt.Println(err)
		return
	}
	space, err := b.Build(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for row := range space.Rows() {
		t := space.At(row<<1 | 1) // two ports need one bit
		fmt.Println(t.Index, t.Addr, t.Port)
	}
	// Output:
	// 1 198.51.100.0 443
	// 3 198.51.100.2 443
	// 5 198.51.100.3 443
}

func ExampleSpace_Intersect() {
	var b target.Builder // all of IPv4
	space, err := b.Build(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	list, err := target.ReadList(strings.NewReader("192.0.2.7\n198.51.100.9\n"), "hits.txt")
	if err != nil {
		fmt.Println(err)
		return
	}
	space, err = space.Intersect(list)
	if err != nil {
		fmt.Println(err)
		return
	}
	for row := range space.Rows() {
		fmt.Println(space.AddrAt(row))
	}
	// Output:
	// 192.0.2.7
	// 198.51.100.9
}
