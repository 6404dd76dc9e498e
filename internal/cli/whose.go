package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zmap-go/zmap/internal/plan"
	"github.com/zmap-go/zmap/sink"
)

const whoseAbout = `Says of each packet on standard input whether it is a probe of a plan's scan, and about when the plan has it sent: for those who ask whether
that was you. A line is a log line of a firewall on Linux (SRC=... DST=... SPT=... DPT=... SEQ=...; --log-tcp-sequence has it log the sequence number), a line of
tcpdump's text, or SOURCE,PORT,DESTINATION,PORT[,SEQ].

  zmap whose --plan scan.plan < firewall.log

An answer is yes if a number in the packet follows from the plan's key, perhaps if the line has none but the rest fits, else no. The exit code is 0 if all
answers are yes, and 1 otherwise.`

// whoseCommand tells probes of a plan from other packets.
func whoseCommand(std Streams) *cobra.Command {
	t := newToolSet(3)
	t.under = "zmap "
	var path string
	t.text(&path, "plan", "", "the plan's `file`")
	return t.command(std, "whose --plan FILE < PACKETS", whoseAbout, func(ctx context.Context, _ *slog.Logger, args []string) error {
		switch {
		case len(args) > 0:
			return fmt.Errorf("whose reads packets from standard input, and takes no %q", args[0])
		case path == "":
			return errors.New("whose needs --plan, the file of the scan's plan")
		}
		p, _, err := plan.Open(path)
		if err != nil {
			return fmt.Errorf("--plan: %w", err)
		}
		j, err := plan.NewJudge(ctx, p)
		if err != nil {
			return fmt.Errorf("--plan: %s: %w", path, err)
		}
		return judgeLines(std, j, p)
	})
}

// judgeLines answers line by line.
func judgeLines(std Streams, j *plan.Judge, p *plan.Plan) error {
	in := bufio.NewScanner(std.In)
	all, n := true, 0
	for in.Scan() {
		n++
		line := strings.TrimSpace(in.Text())
		if line == "" {
			continue
		}
		packet, err := plan.ParsePacket(line)
		if err != nil {
			return fmt.Errorf("standard input:%d: %w", n, err)
		}
		v := j.Judge(&packet)
		all = all && v.Answer == plan.Yes
		if _, err := fmt.Fprintln(std.Out, verdictText(&v, p)); err != nil {
			return sink.WriteError(err)
		}
	}
	switch err := in.Err(); {
	case err != nil:
		return fmt.Errorf("standard input:%d: %w", n+1, err)
	case !all:
		return exitStatus(exitFailure)
	}
	return nil
}

// verdictText is a verdict in a line.
func verdictText(v *plan.Verdict, p *plan.Plan) string {
	text := string(v.Answer) + ": " + v.Why
	if v.Answer == plan.No {
		return text
	}
	if p.Shards > 1 {
		text += fmt.Sprintf("; shard %d of %d asks it", v.Shard, p.Shards)
	} else {
		text += "; the scan asks it"
	}
	if p.Rate > 0 {
		text += fmt.Sprintf(" about %s after its beginning, at %.0f probes a second", v.After.Round(time.Millisecond), p.Rate)
	}
	return text
}
