package annotate_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/record"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "annotate")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "prefixes.csv")
	text := "prefix,asn,org,country\n192.0.2.0/24,64496,Example,SE\n2001:db8::/32,64497,Other,\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		panic(err)
	}

	t, err := annotate.Open(path)
	if err != nil {
		panic(err)
	}
	values := make([]record.Value, len(t.Fields()))
	for _, addr := range []string{"192.0.2.1", "2001:db8::1", "198.51.100.1"} {
		t.Annotate(netip.MustParseAddr(addr), values)
		fmt.Printf("%s: %d %q %q\n", addr, values[0].Uint(), values[1].Text(), values[2].Text())
	}
	// Output:
	// 192.0.2.1: 64496 "Example" "SE"
	// 2001:db8::1: 64497 "Other" ""
	// 198.51.100.1: 0 "" ""
}
