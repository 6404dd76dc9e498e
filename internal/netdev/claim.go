package netdev

import "errors"

// ErrClaimed says that another process of this network namespace has claimed a name.
var ErrClaimed = errors.New("is claimed by another process")
