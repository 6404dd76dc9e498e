package grab

import (
	"time"
)

// A Grab is what is known after one module talked to one target, in the shape that scripts for zgrab2 read: it stands under
// data.<module> of a row.
type Grab struct {
	Status    Status `json:"status"`
	Protocol  string `json:"protocol"`
	Port      uint16 `json:"port,omitempty"`
	Result    any    `json:"result,omitempty"`
	Timestamp string `json:"timestamp,omitempty"` // RFC 3339, when the connection was ours to use
	Error     string `json:"error,omitempty"`
	Transport string `json:"transport,omitempty"` // which supplier the connection came from
	SNI       string `json:"sni,omitempty"`       // the name that was asked for
	SNISource string `json:"sni_source,omitempty"`
	Attempt   string `json:"attempt,omitempty"` // n/K: which of how many names at most
}

// New returns the grab of what module d learned of t at the given time, which may be nothing.
func New(d Description, t *Target, at time.Time, result any, err error) Grab {
	g := Grab{Status: StatusOf(err), Protocol: d.Protocol, Port: t.Port, Result: result, Timestamp: at.UTC().Format(time.RFC3339Nano)}
	if g.Protocol == "" {
		g.Protocol = d.Name
	}
	if err != nil {
		g.Error = err.Error()
	}
	return g
}

// A Namer is a result that holds names of the host, such as those of its certificate or the place that it redirects to: a later
// grab may ask for them.
type Namer interface {
	// Names returns the names with where each is from: "san", "redirect". Nobody has checked them.
	Names() []FoundName
	// WantsName says that the host served nothing of use, or a stand-in, since it was not asked by name.
	WantsName() bool
}

// A FoundName is a host name and where it was found.
type FoundName struct{ Name, Source string }
