// Command zmap scans networks; zmap --help says how.
package main

import (
	"os"

	"github.com/zmap-go/zmap/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, cli.Standard()))
}
