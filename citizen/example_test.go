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
		special, err := citizen.NewSpecial(allow...)
		if err != nil {
			return err
		}
		var b target.Builder
		if err := b.Add(target.Allow, "192.168.1.0/24"); err != nil {
			return err
		}
		if err := special.AddTo(&b); err != nil {
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
		fmt.Println(e.Entries[0].Prefix, "is left out; use", e.Option())
	}
	fmt.Println(scan(citizen.Private))
	// Output:
	// 192.168.0.0/16 is left out; use --allow-special private
	// 256 addresses to scan
	// <nil>
}
