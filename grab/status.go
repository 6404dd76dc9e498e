package grab

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// A Status says in a word how a grab ended. The words are those of zgrab2, which analysis scripts know.
type Status string

// The eight words.
const (
	Success           Status = "success"            // the protocol was spoken to its end
	ConnectionRefused Status = "connection-refused" // RST to the first packet
	ConnectionTimeout Status = "connection-timeout" // no answer to the first packet
	ConnectionClosed  Status = "connection-closed"  // the connection stood, and ended too soon
	IOTimeout         Status = "io-timeout"         // the connection stood, and the time was up
	ProtocolError     Status = "protocol-error"     // what came is not of the protocol
	ApplicationError  Status = "application-error"  // it is of the protocol, and says no
	UnknownError      Status = "unknown-error"      // all else; the error says what
)

// What errors of modules and suppliers wrap.
var (
	ErrProtocol    = errors.New("not of the protocol")
	ErrApplication = errors.New("refused by the service")
	ErrConnect     = errors.New("no connection")                   // wraps what kept a connection from standing
	ErrTooLong     = errors.New("more bytes than a grab may take") // the cap of a connection is reached
	ErrBlocked     = errors.New("address may not be contacted")    // by the blocklist, or since it is not public
	ErrBudget      = errors.New("no more connections for this target")
	ErrPanic       = errors.New("grab panicked") // a mistake of ours, contained
)

// StatusOf returns the word for what [Module.Grab] or the opening of a connection returned.
func StatusOf(err error) Status {
	var timeout net.Error
	late := errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
	connecting := errors.Is(err, ErrConnect)
	switch {
	case err == nil:
		return Success
	case errors.Is(err, ErrBlocked), errors.Is(err, ErrBudget), errors.Is(err, ErrPanic):
		return UnknownError
	case connecting && late:
		return ConnectionTimeout
	case connecting && errors.Is(err, syscall.ECONNREFUSED):
		return ConnectionRefused
	case connecting && errors.Is(err, syscall.ETIMEDOUT):
		return ConnectionTimeout
	case connecting:
		return UnknownError
	case errors.Is(err, ErrApplication):
		return ApplicationError
	case errors.Is(err, ErrProtocol), errors.Is(err, ErrTooLong):
		return ProtocolError
	case late, errors.Is(err, syscall.ETIMEDOUT):
		return IOTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return ConnectionClosed
	}
	return UnknownError
}
