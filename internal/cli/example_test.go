//go:build !minimal

package cli

import "fmt"

func ExampleMain() {
	std := Standard()
	std.Etc = "" // whatever /etc/zmap/zmap.conf says
	code := Main([]string{"zmap", "--list-output-modules"}, std)
	fmt.Println("exit code", code)
	// Output:
	// csv
	// exec
	// http
	// json
	// nats
	// parquet
	// postgres
	// sqlite
	// exit code 0
}
