package citizen_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/target"
)

func Example() {
	scan := func(allow ...citizen.Class) error {
		var b target.Builder
		if err := b.Add(target.Allow, "192.168.1.0/24"); err != nil {
			return err
		}
		special, err := citizen.ReadSpecial(&b, citizen.ListSpecial, allow...)
		if err != nil {
			return err
		}
		space, err := b.Build(context.Background())
		if err != nil {
			return special.Explain(err)
		}
		fmt.Println(space.Addrs(), "addresses to scan")
		return nil
	}
	if e, ok := errors.AsType[*citizen.SpecialError](scan()); ok {
		fmt.Println(e.Entries[0].Prefix, "is left out; allow", citizen.JoinClasses(e.Classes))
	}
	fmt.Println(scan(citizen.Private))
	// Output:
	// 192.168.0.0/16 is left out; allow private
	// 256 addresses to scan
	// <nil>
}
