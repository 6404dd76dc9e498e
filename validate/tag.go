package validate

import "encoding/binary"

// A Tag is the keyed hash of one target as seen from one of our addresses. Its 16 bytes go into the fields of probes as
// C zmap places them:
//
//	 0           4           8           12      14      16
//	+-----------+-----------+-----------+-------+-------+
//	| TCP seq   | port word | TCP ack   | IP id |       |
//	+-----------+-----------+-----------+-------+-------+
//	            |ICMP id|  .|ICMP sq|
//	                     ^  |DNS id |
//	                     BACnet invoke id
//
// The methods return the fields as host-order integers. All probes to one target share them but for the source port.
type Tag [16]byte

// Seq returns the TCP sequence number.
func (t Tag) Seq() uint32 { return binary.BigEndian.Uint32(t[0:4]) }

// Ack returns the TCP acknowledgement number, for probes that have one.
func (t Tag) Ack() uint32 { return binary.BigEndian.Uint32(t[8:12]) }

// PortWord returns the number that [Ports.Of] chooses source ports by. Unlike the fields, which are copied byte by byte,
// C zmap reads it as an integer on its little-endian machines.
func (t Tag) PortWord() uint32 { return binary.LittleEndian.Uint32(t[4:8]) }

// ICMPID returns the ICMP identifier.
func (t Tag) ICMPID() uint16 { return binary.BigEndian.Uint16(t[4:6]) }

// ICMPSeq returns the ICMP sequence number.
func (t Tag) ICMPSeq() uint16 { return binary.BigEndian.Uint16(t[8:10]) }

// IPID returns the IPv4 identification.
func (t Tag) IPID() uint16 { return binary.BigEndian.Uint16(t[12:14]) }

// DNSID returns the DNS transaction number.
func (t Tag) DNSID() uint16 { return binary.BigEndian.Uint16(t[8:10]) }

// BACnetID returns the BACnet invoke number.
func (t Tag) BACnetID() uint8 { return t[7] }
