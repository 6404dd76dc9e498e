package filter_test

import (
	"fmt"

	"github.com/zmap-go/zmap/filter"
	"github.com/zmap-go/zmap/record"
)

func Example() {
	schema := record.NewSchema([]record.Field{{Name: "sport", Type: record.Int}, {Name: "success", Type: record.Bool}})
	p, err := filter.Compile("success = 1 && sport < 1024", schema)
	if err != nil {
		fmt.Println(err)
		return
	}
	row := record.New(schema)
	row.Values[0] = record.Uint(443)
	row.Values[1] = record.Boolean(true)
	fmt.Println(p.Match(row))

	_, err = filter.Compile("succes = 1", schema)
	fmt.Println(err)
	// Output:
	// true
	// unknown field "succes": did you mean "success"?
	//     succes = 1
	//     ^
}
