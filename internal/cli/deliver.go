package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/zmap-go/zmap/internal/outputs"
)

// deliverCommand delivers what scans have left for a server that was away.
func deliverCommand(std Streams) *cobra.Command {
	t := newToolSet(3)
	t.under = "zmap "
	return t.command(std, "deliver OUTPUT [options]",
		"Delivers the rows that scans have left on disk for a server that was away. OUTPUT is what -O was for the scan:\n"+
			"http=https://collector.example/rows,folder=/var/spool/zmap",
		func(ctx context.Context, log *slog.Logger, args []string) error {
			if len(args) != 1 {
				return errors.New("deliver takes one output, as -O has it: zmap deliver http=https://collector.example/rows,folder=spool")
			}
			spec, err := outputs.Parse(args[0])
			if err != nil {
				return err
			}
			rows, err := spec.Deliver(ctx, &outputs.Env{Log: log, Stop: ctx.Done()})
			log.Info(fmt.Sprintf("%d rows delivered to %s", rows, &spec))
			return err
		})
}
