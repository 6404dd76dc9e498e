package probe

import (
	"net/netip"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// A Probe is one probe module with its arguments: what to send, what comes back, which fields a row gets. It is
// immutable and may be shared by all senders and receivers.
type Probe interface {
	// Describe returns the module's constants. It is called a few times per scan.
	Describe() Description
	// NewEncoder returns an encoder for one sender.
	NewEncoder(r Route) Encoder
	// NewDecoder returns a decoder for one receiver.
	NewDecoder() Decoder
}

// A Description is what the engine has to know of a module. Zero values are sensible, so that fields can be added.
type Description struct {
	// Name is the module's name, as in --probe-module.
	Name string
	// Schema has the module's own fields, in order: those of the IP header come before, those of the engine after them.
	// It must have a field "success", Bool or Int, which every row sets. "app_success" is counted where it exists.
	Schema *record.Schema
	// Capture says which frames can be answers. Local is filled in for the module; so are Ports, with our source ports, if
	// the module has ports and leaves them empty.
	Capture link.Filter
	// FrameLen is the length of the longest frame the module sends over IPv4, from the Ethernet header on, in bytes.
	FrameLen int
	// IPv6 says that the module asks over IPv6 as well, by encoders whose route says so; frames are 20 bytes longer then.
	IPv6 bool
	// Ports says that targets have ports and probes source ports.
	Ports bool
	// AnyPort accepts answers from other ports than the one asked, unless the user wants them checked. Match is then called
	// again with tags that are those of a port that was asked, whatever port it wants them for.
	AnyPort bool
	// FromResponder keeps the responder's address in saddr when an ICMP error answers. Otherwise saddr is the target.
	FromResponder bool
	// DefaultPort is asked when the user names no target ports; 0 means that they must be named.
	DefaultPort uint16
	// TriesMultiple is what the number of probes for each target must be a multiple of; 0 means any number will do.
	TriesMultiple int
	// Warnings are what the user is to be told before the scan about the arguments: what was cut, or filled in.
	Warnings []string
	// AppendDryRun appends what --dryrun prints of a frame. Nil means the plain form of [AppendDryRun].
	AppendDryRun func(dst, frame []byte, ether bool) []byte
}

// A Route is what all frames of a scan have in common.
type Route struct {
	Ether     bool           // frames start with an Ethernet header; else with the IP header
	IPv6      bool           // frames are of IPv6; else of IPv4
	SourceMAC packet.MAC     // ours; only with Ether
	Hops      []packet.MAC   // next hops, at least one with Ether: the gateways first, then on-link targets; Shot.Hop counts into it
	Ports     validate.Ports // our source ports
	TTL       uint8          // time to live, or hop limit
	Unix      uint32         // seconds since the Unix epoch at the start of the scan, for timestamp options
	// Random gives the words for random parts of payloads, the same for the same seed. Each encoder needs one of its own:
	// it is called without a lock, and must not allocate. Nil means zeros.
	Random func() uint64
}

// A Shot is everything that a probe depends on. The engine picks Src, one of our source addresses, and Hop.
type Shot struct {
	target.Target
	Src netip.Addr
	Hop uint16
	Tag validate.Tag
	Try int // 0 for the first probe to a target
}

// An Encoder makes frames. It is owned by one sender.
type Encoder interface {
	// Template writes everything constant into frame, which has room for FrameLen bytes, and returns the length. The
	// engine calls it when a slot's bytes were made from another template; id is 1 + Shot.Try of the probe to come.
	Template(id uint32, frame []byte) int
	// Patch completes a frame that Template wrote, or that Patch completed for another target before, and returns its
	// length. It must not allocate.
	Patch(frame []byte, s *Shot) int
}

// A Decoder reads answers. It is owned by one receiver. p is valid only during the call.
type Decoder interface {
	// Match says whether p answers a probe of ours, by the tag, and which target was asked: for an ICMP error that is the
	// one quoted. It leaves Target.Index alone: the engine looks it up, and drops answers for what was never a target.
	// It must not allocate.
	Match(p *packet.Parsed, tags validate.Source) (target.Target, bool)
	// Decode sets r's fields, which are the module's own and all null, after Match said yes to the same packet.
	Decode(p *packet.Parsed, r *record.Record)
}

// A Judge is a [Decoder] that can tell a success without filling a row: scans whose output has addresses alone are spared the
// rest.
type Judge interface {
	// Succeeds returns what Decode sets the field success to, after Match said yes to the same packet.
	Succeeds(p *packet.Parsed) bool
}
