package remote

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// NATSConfig says which stream rows are published to.
type NATSConfig struct {
	// URL is nats://HOST:4222 or tls://HOST:4222, several with commas between them, with a user and password if need be.
	URL string
	// Subject of the messages; {scan} and {probe} in it are replaced. "" is zmap.rows.
	Subject string
	// Stream is made, with the subject and the defaults of the server, if no stream takes the subject; "" makes none.
	Stream string
	// Credentials is a file as nsc(1) writes them; "" is none.
	Credentials string
	// TLS is how the server is verified, nil by the system's roots.
	TLS *tls.Config
}

// natsServer publishes rows to a JetStream stream, each as a message that holds a JSON object as the output module json writes it,
// with times in UTC, and the headers
//
//	Nats-Msg-Id   scan id, session id and row number, with dots between them: the same whenever the row comes again
//	Zmap-Scan     the id of the scan
//	Zmap-Probe    the name of the probe module
//
// A batch is acknowledged when the stream has acknowledged all its messages. The stream drops a message whose id it has seen
// within its duplicate window, 2 minutes unless it was made with another: rows are there once if a retry comes that soon, and
// perhaps twice if the server is away for longer in the very moment. That a scan begins and ends is not published.
type natsServer struct {
	config NATSConfig
	name   string
	conn   *nats.Conn // nil after an error
	stream jetstream.JetStream
	lines  jsonLines
	known  string // subject that a stream is known to take, over this connection

	mu    sync.Mutex
	async error // the last one that the connection told of by itself
}

// maxPending is how many messages may be on their way. More gain nothing on a fast network; fewer cost on a slow one.
const maxPending = 4096

// NewNATS returns a NATS server with JetStream. It does not connect yet.
func NewNATS(c NATSConfig) (Server, error) {
	var names []string
	for u := range strings.SplitSeq(c.URL, ",") {
		parsed, err := url.Parse(strings.TrimSpace(u))
		if err != nil {
			return nil, errors.New("parse URL of the server: it is none, and not shown as it may hold a password")
		}
		switch parsed.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			return nil, fmt.Errorf("URL %s: expected nats://HOST:4222 or tls://HOST:4222", parsed.Redacted())
		}
		names = append(names, parsed.Scheme+"://"+parsed.Host) // a user's name may be a token
	}
	if c.Subject == "" {
		c.Subject = "zmap.rows"
	}
	if !legalSubject.MatchString(subject(c.Subject, "scan", "probe")) {
		return nil, fmt.Errorf("subject %q: expected words with dots between them, {scan} and {probe} among them", c.Subject)
	}
	return &natsServer{config: c, name: strings.Join(names, ",")}, nil
}

// legalSubject is what messages can be published to: no blanks, no wildcards, no empty words.
var legalSubject = regexp.MustCompile(`^[^\s.*>\x00-\x1f]+(\.[^\s.*>\x00-\x1f]+)*$`)

// subject fills in a subject. A scan's id stays one word of it.
func subject(s, scan, probe string) string {
	return strings.NewReplacer("{scan}", strings.ReplaceAll(scan, ".", "_"), "{probe}", probe).Replace(s)
}

// String implements [Server].
func (n *natsServer) String() string { return n.name }

func (n *natsServer) connect(context.Context) error {
	if n.conn != nil {
		return nil
	}
	_ = n.noted(nil)
	options := []nats.Option{
		nats.Name("zmap"), nats.Timeout(10 * time.Second), nats.NoReconnect(), // deliver comes again by itself
		nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { _ = n.noted(err) }),
	}
	if n.config.Credentials != "" {
		options = append(options, nats.UserCredentials(n.config.Credentials))
	}
	if n.config.TLS != nil {
		options = append(options, nats.Secure(n.config.TLS))
	}
	conn, err := nats.Connect(n.config.URL, options...)
	if err != nil {
		return judgeNATS(err)
	}
	n.conn = conn
	n.stream, err = jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(maxPending))
	return n.ended(err)
}

// noted notes an error of the connection, and returns the one before.
func (n *natsServer) noted(err error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.async
	n.async = err
	return before
}

// ended gives the connection up after an error: what is on its way must not arrive behind what comes next.
func (n *natsServer) ended(err error) error {
	if err == nil {
		return nil
	}
	if async := n.noted(nil); async != nil {
		err = fmt.Errorf("%w: %w", err, async)
	}
	n.close()
	return judgeNATS(err)
}

func (n *natsServer) close() {
	if n.conn != nil {
		n.conn.Close()
		n.conn, n.known = nil, ""
	}
}

func (n *natsServer) deliver(ctx context.Context, b *batch) error {
	if err := n.connect(ctx); err != nil {
		return err
	}
	to := subject(n.config.Subject, b.origin.Scan.ID, b.origin.Scan.Probe)
	if !legalSubject.MatchString(to) {
		return permanent(fmt.Errorf("subject %.100q, made of %q, is none", to, n.config.Subject))
	}
	if n.known != to {
		if err := n.ended(n.adopt(ctx, to)); err != nil {
			return err
		}
		n.known = to
	}
	if b.kind != kindRows {
		return nil
	}
	return n.ended(n.publish(ctx, to, b))
}

// adopt makes sure that a stream takes what is published to a subject.
func (n *natsServer) adopt(ctx context.Context, to string) error {
	_, err := n.stream.StreamNameBySubject(ctx, to)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	if n.config.Stream == "" {
		return permanent(fmt.Errorf("no stream takes the subject %s: make one, or name one to be made", to))
	}
	words := strings.Split(n.config.Subject, ".")
	for i, w := range words {
		if w != subject(w, "", "") {
			words[i] = "*"
		}
	}
	take := strings.Join(words, ".")
	_, err = n.stream.CreateStream(ctx, jetstream.StreamConfig{Name: n.config.Stream, Subjects: []string{take}})
	if err != nil {
		return fmt.Errorf("make stream %s for the subject %s: %w", n.config.Stream, take, err)
	}
	return nil
}

// publish publishes the rows of a batch and waits until all are acknowledged.
func (n *natsServer) publish(ctx context.Context, to string, b *batch) error {
	lines, err := n.lines.encode(b)
	if err != nil {
		return err
	}
	lines = bytes.Clone(lines) // the library keeps messages until they are acknowledged, those of a try that has failed as well
	id := []byte(b.origin.Scan.ID + "." + b.origin.Session + ".")
	acks := make([]jetstream.PubAckFuture, 0, b.rows)
	for row := b.first; len(lines) > 0; row++ {
		line, rest, _ := bytes.Cut(lines, []byte("\n"))
		lines = rest
		m := &nats.Msg{Subject: to, Data: line, Header: nats.Header{
			jetstream.MsgIDHeader: {string(strconv.AppendUint(id, row, 10))},
			"Zmap-Scan":           {b.origin.Scan.ID},
			"Zmap-Probe":          {b.origin.Scan.Probe},
		}}
		ack, err := n.stream.PublishMsgAsync(m, jetstream.WithStallWait(2*time.Second))
		if errors.Is(err, nats.ErrMaxPayload) {
			return fmt.Errorf("publish row %d of %d bytes: the server takes %d: %w", row, len(line), n.conn.MaxPayload(), err)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("publish row %d: %w", row, err)
		}
		acks = append(acks, ack)
	}
	for i, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return fmt.Errorf("publish row %d: %w", b.first+uint64(i), err)
		case <-ctx.Done():
			return fmt.Errorf("wait for the acknowledgement of row %d: %w", b.first+uint64(i), ctx.Err())
		}
	}
	return nil
}

// judgeNATS says whether an error stays: those of trust, rights and size do.
func judgeNATS(err error) error {
	var (
		stays     *permanentError
		untrusted *tls.CertificateVerificationError
	)
	if errors.As(err, &stays) {
		return err
	}
	for _, e := range []error{
		nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired, nats.ErrPermissionViolation,
		nats.ErrSecureConnRequired, nats.ErrSecureConnWanted, nats.ErrMaxPayload, nats.ErrBadSubject,
		jetstream.ErrJetStreamNotEnabled, jetstream.ErrJetStreamNotEnabledForAccount, jetstream.ErrStreamNameAlreadyInUse,
	} {
		if errors.Is(err, e) {
			return permanent(err)
		}
	}
	if errors.As(err, &untrusted) {
		return permanent(err)
	}
	return err
}
