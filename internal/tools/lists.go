package tools

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/target"
)

// A spaceConfig says which targets are meant.
type spaceConfig struct {
	networks             []string
	allowlist, blocklist string // files, or the name of a built-in blocklist; "" means none
	ports                target.Ports
	ignoreErrors         bool
	reachIPv6            bool // of IPv6 it is only asked what is in reach: the space has nothing of it, and may be empty
}

// space reads the lists, and logs what about them was passed over.
func (c spaceConfig) space(ctx context.Context, log *slog.Logger) (*target.Space, target.Reach, error) {
	b := target.Builder{Ports: c.ports, Resolver: net.DefaultResolver, IgnoreErrors: c.ignoreErrors}
	err := b.AddAllowed(c.allowlist, c.networks)
	if c.blocklist != "" {
		err = errors.Join(err, citizen.ReadBlocklist(&b, c.blocklist))
	}
	if err != nil {
		return nil, target.Reach{}, err
	}
	if c.reachIPv6 {
		b.OnlyIPv6(&target.List{})
	}
	if c.allowlist != "" && len(c.networks) > 0 {
		log.Warn("there are both an allowlist and networks on the command line; what either of them names is allowed")
	}
	space, err := b.Build(ctx)
	ignored, total := b.Ignored()
	for _, e := range ignored {
		log.Error("ignored: " + e.Error())
	}
	if more := total - len(ignored); more > 0 {
		log.Error(fmt.Sprintf("ignored: %d more entries that cannot be used", more))
	}
	if _, _, named := b.IPv6(); named && c.reachIPv6 && errors.Is(err, target.ErrEmpty) {
		space, err = &target.Space{}, nil
	}
	return space, b.Reach(), err
}

// orDiscard returns log, or one that nobody reads.
func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
