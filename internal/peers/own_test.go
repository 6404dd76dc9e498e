//go:build peers

package peers

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Servers of this package's own, for what Debian has none of: this very test program, started again in the test Internet
// with a variable that names one of them. They know nothing of the packages under test.
const ownVariable = "ZMAP_PEERS_SERVER"

// ownServer returns a server of this package.
func ownServer(name, port string) server {
	return server{args: []string{"/proc/self/exe"}, env: []string{ownVariable + "=" + name}, port: port, ready: "ready"}
}

// ownPrograms are the servers' programs, which return only if they fail.
func ownPrograms() map[string]func() error {
	return map[string]func() error{"bacnet": serveBACnet, "ipip": forwardIPIP}
}

// forwardIPIP unpacks packets in packets for host, and sends what is inside on its way, as the end of a tunnel does that
// takes what comes (RFC 2003 section 3). The kernel of a machine with such a tunnel would do the same.
func forwardIPIP() error {
	in, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_IPIP)
	if err != nil {
		return err
	}
	if err := unix.Bind(in, &unix.SockaddrInet4{Addr: netip.MustParseAddr(host).As4()}); err != nil {
		return err
	}
	out, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for b := make([]byte, 65536); ; {
		n, _, err := unix.Recvfrom(in, b, 0)
		if err != nil {
			return err
		}
		inner := b[4*int(b[0]&15) : n]
		if len(inner) < 20 || inner[0] != 0x45 || int(binary.BigEndian.Uint16(inner[2:])) != len(inner) || !sumsToZero(inner[:20]) {
			fmt.Printf("not an IP packet: %x\n", inner)
			continue
		}
		inner[8]-- // time to live
		if err := unix.Sendto(out, inner, 0, &unix.SockaddrInet4{Addr: [4]byte(inner[16:20])}); err != nil {
			return err
		}
	}
}

// sumsToZero says whether an IP header's checksum is right (RFC 791 section 3.1).
func sumsToZero(header []byte) bool {
	sum := 0
	for i := 0; i < len(header); i += 2 {
		sum += int(binary.BigEndian.Uint16(header[i:]))
	}
	return sum>>16+sum&0xffff == 0xffff
}

// serveBACnet is a BACnet/IP device with the object identifier 1234, which reads requests as ASHRAE 135 lays them out, to the
// last bit, and answers those for its object identifier.
func serveBACnet() error {
	conn, err := net.ListenPacket("udp4", host+":47808")
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for b := make([]byte, 1500); ; {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			return err
		}
		invoke, err := readProperty(b[:n])
		if err != nil {
			fmt.Printf("%x: %v\n", b[:n], err)
			continue
		}
		const device = "\x0c\x02\x00\x04\xd2" // context tag 0 of 4 bytes: type 8, instance 1234
		answer := []byte("\x81\x0a\x00\x00\x01\x00\x30" + string(invoke) + "\x0c" + device + "\x19\x4b\x3e\xc4" + device[1:] + "\x3f")
		binary.BigEndian.PutUint16(answer[2:], uint16(len(answer)))
		if _, err := conn.WriteTo(answer, from); err != nil {
			return err
		}
	}
}

// readProperty reads a request for the object identifier of a device, known or not, and returns its invoke number.
func readProperty(b []byte) (invoke []byte, err error) {
	switch {
	case len(b) != 17 || b[0] != 0x81 || b[1] != 0x0a || int(binary.BigEndian.Uint16(b[2:])) != len(b):
		return nil, errors.New("not an original unicast NPDU of its length (annex J.2.11)")
	case b[4] != 1 || b[5] != 4:
		return nil, errors.New("not a local NPDU that expects a reply (clause 6.2)")
	case b[6] != 0 || b[7]&0x0f > 5:
		return nil, errors.New("not an unsegmented confirmed request (clause 20.1.2)")
	case b[9] != 12:
		return nil, errors.New("not ReadProperty (clause 21)")
	case b[10] != 0x0c || binary.BigEndian.Uint32(b[11:])>>22 != 8:
		return nil, errors.New("context tag 0 is not a device's object identifier (clauses 15.5 and 20.2.14)")
	case b[15] != 0x19 || b[16] != 75:
		return nil, errors.New("context tag 1 is not the property object-identifier")
	}
	if instance := binary.BigEndian.Uint32(b[11:]) & 0x3fffff; instance != 1234 && instance != 4194303 {
		return nil, fmt.Errorf("device %d is another", instance)
	}
	return b[8:9], nil
}
