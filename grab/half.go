package grab

import (
	"net/netip"
	"time"

	"github.com/zmap-go/zmap/packet"
)

// A Half is a connection of which two of three steps are made: our SYN was answered by a SYN-ACK that was checked. All that is
// known of it stands in the SYN-ACK, or is the same for all probes of a scan, so that the scanner keeps no state until here.
// It is a value: nothing is shared.
type Half struct {
	Local, Remote netip.AddrPort
	Next          uint32     // the sequence number that we send next: that of our SYN + 1
	Peer          uint32     // the sequence number that we await next: that of the SYN-ACK + 1
	Offered       uint16     // window of our SYN, in bytes
	Window        uint16     // window of the SYN-ACK, in bytes: a SYN's is never scaled (RFC 7323 section 2.2)
	MSS           uint16     // of the SYN-ACK, in bytes; 536 if it named none (RFC 9293 section 3.7.1)
	Scale         uint8      // of the peer's windows, if Scaled
	Scaled        bool       // both sides offered window scaling
	SACK          bool       // both sides offered selective acknowledgements
	Hop           packet.MAC // whom frames go to; with link layer only
	At            time.Time  // when the SYN-ACK came
}
