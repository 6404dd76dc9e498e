package firewall

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
)

// A wall is a table of rules that stands.
type wall struct{ conn *nftables.Conn }

// Close takes the table down.
func (w *wall) Close() error {
	if err := w.conn.CloseLasting(); err != nil { // with its owner goes the table (nft_rcv_nl_event in net/netfilter/nf_tables_api.c)
		return fmt.Errorf("remove firewall rules: %w", err)
	}
	return nil
}

// check says whether there can be rules.
func check() error {
	c, err := nftables.New()
	if err == nil {
		_, err = c.ListTablesOfFamily(nftables.TableFamilyINet)
	}
	return explain(err)
}

// explain says what is missing when the kernel takes no rules.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("keep answers from the stack by nftables: %w: %s", err, link.HowToAllow("cap_net_admin,cap_net_raw"))
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		return &link.UnsupportedError{Feature: "nftables"}
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOENT):
		return fmt.Errorf("keep answers from the stack: %w (%w)", &link.UnsupportedError{Feature: "nftables with tables that have an owner and rules about sockets", MinKernel: "5.12"}, err)
	}
	return fmt.Errorf("keep answers from the stack by nftables: %w", err)
}

// raise makes the table: all of it or, with an error, nothing.
func raise(cfg link.Config) (*wall, error) {
	index, err := receives(cfg)
	if err != nil {
		return nil, err
	}
	var owner *netlink.Conn // the library's socket: a table's owner is a socket, and the library cannot make a table that has one
	c, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(n *netlink.Conn) error {
		owner = n
		return nil
	}))
	if err != nil {
		return nil, explain(err)
	}
	t := &nftables.Table{Name: fmt.Sprintf("zmap-%d-%08x", os.Getpid(), rand.Uint32()), Family: nftables.TableFamilyINet}
	if err = own(owner, t); err == nil {
		if err = fill(c, t, index, cfg.Filter); err == nil {
			err = c.Flush()
		}
	}
	if err != nil {
		return nil, errors.Join(explain(err), c.CloseLasting())
	}
	return &wall{c}, nil
}

// receives returns the number of the interface that answers come in by.
func receives(cfg link.Config) (int, error) {
	if cfg.Receive == "" && cfg.Index != 0 {
		return cfg.Index, nil
	}
	name := cmp.Or(cfg.Receive, cfg.Interface)
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0, fmt.Errorf("look up interface %s: %w", name, err)
	}
	return i.Index, nil
}

// own makes an empty table that belongs to the socket.
func own(c *netlink.Conn, t *nftables.Table) error {
	const owned = 2 // NFT_TABLE_F_OWNER
	attrs, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: []byte(t.Name + "\x00")},
		{Type: unix.NFTA_TABLE_FLAGS, Data: binary.BigEndian.AppendUint32(nil, owned)},
	})
	if err != nil {
		return err
	}
	head := func(family byte, resource uint16) []byte {
		return []byte{family, unix.NFNETLINK_V0, byte(resource >> 8), byte(resource)}
	}
	_, err = c.SendMessages([]netlink.Message{
		{Header: netlink.Header{Type: unix.NFNL_MSG_BATCH_BEGIN, Flags: netlink.Request}, Data: head(0, unix.NFNL_SUBSYS_NFTABLES)},
		{
			Header: netlink.Header{
				Type:  unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWTABLE,
				Flags: netlink.Request | netlink.Acknowledge | netlink.Create | netlink.Excl,
			},
			Data: append(head(byte(t.Family), 0), attrs...),
		},
		{Header: netlink.Header{Type: unix.NFNL_MSG_BATCH_END, Flags: netlink.Request}, Data: head(0, unix.NFNL_SUBSYS_NFTABLES)},
	})
	if err != nil {
		return err
	}
	_, err = c.Receive()
	return err
}

// fill writes the rules into the table:
//
//	chain before { type filter hook prerouting priority raw
//		iif NUMBER  tcp dport FIRST-LAST  ip daddr { LOCAL }  [tcp flags syn,ack / syn,ack]  goto ours }
//	chain ours {
//		socket transparent >= 0  accept     there is a socket, of whatever state: the others' rules decide
//		drop }
func fill(c *nftables.Conn, t *nftables.Table, index int, f link.Filter) error {
	policy := nftables.ChainPolicyAccept
	before := c.AddChain(&nftables.Chain{
		Name: "before", Table: t, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw, Policy: &policy,
	})
	ours := c.AddChain(&nftables.Chain{Name: "ours", Table: t})
	c.AddRule(&nftables.Rule{Table: t, Chain: ours, Exprs: []expr.Any{
		&expr.Socket{Key: expr.SocketKeyTransparent, Register: 1}, // without a socket the rule ends here
		&expr.Verdict{Kind: expr.VerdictAccept},
	}})
	c.AddRule(&nftables.Rule{Table: t, Chain: ours, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}})
	for _, v6 := range []bool{false, true} {
		local, every, err := addresses(c, t, f.Local, v6)
		if err != nil {
			return err
		}
		if local == nil && !every {
			continue
		}
		for _, p := range f.Ports {
			if p.RST != link.RSTPass {
				c.AddRule(&nftables.Rule{Table: t, Chain: before, Exprs: concerns(index, v6, local, p)})
			}
		}
	}
	return nil
}

// addresses makes a set of the local addresses of one version of IP; nil if there are none, and every if all are meant.
func addresses(c *nftables.Conn, t *nftables.Table, local []netip.Addr, v6 bool) (set *nftables.Set, every bool, err error) {
	if len(local) == 0 {
		return nil, true, nil
	}
	var elements []nftables.SetElement
	for _, a := range local {
		if a = a.Unmap(); a.Is6() == v6 {
			elements = append(elements, nftables.SetElement{Key: a.AsSlice()})
		}
	}
	if len(elements) == 0 {
		return nil, false, nil
	}
	// With a number of its own, and the name that the kernel fills in then: the library draws numbers from a counter that all of the
	// process shares, without a lock.
	set = &nftables.Set{Table: t, ID: 4, Name: "__set%d", Anonymous: true, Constant: true, KeyType: nftables.TypeIPAddr}
	if v6 {
		set.ID, set.KeyType = 6, nftables.TypeIP6Addr
	}
	return set, false, c.AddSet(set, elements)
}

// concerns are the conditions for a segment to be of a scan's connection, and where it goes then.
func concerns(index int, v6 bool, local *nftables.Set, p link.PortRange) []expr.Any {
	version, at, size := byte(unix.NFPROTO_IPV4), uint32(16), uint32(4)
	if v6 {
		version, at, size = unix.NFPROTO_IPV6, 24, 16
	}
	is := func(b ...byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: b} }
	port := func(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }
	rule := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIF, Register: 1}, is(binaryutil.NativeEndian.PutUint32(uint32(index))...),
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, is(version),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, is(unix.IPPROTO_TCP),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: port(p.First), ToData: port(p.Last)},
	}
	if local != nil {
		rule = append(rule, &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: at, Len: size},
			&expr.Lookup{SourceRegister: 1, SetName: local.Name, SetID: local.ID})
	}
	if p.RST == link.RSTHandover {
		const synack = 0x12
		rule = append(rule, &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{synack}, Xor: []byte{0}}, is(synack))
	}
	return append(rule, &expr.Verdict{Kind: expr.VerdictGoto, Chain: "ours"})
}
