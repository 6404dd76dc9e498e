// Package pool runs one module over many targets: it admits them, sees to it that no host and no network is pressed, contains
// what goes wrong, and accounts for every one.
//
//	Offer ──> waiting ──> one of its address, some of its network, a free place, the rate ──> grab ──> next name? ──> Done
//	             └─ parked by address or network, while those have their share; all others go past them
//
// What waits is bounded. Offer says no when there is no more room, and the pool says before that that it is filling up, so that a
// scan can slow down: nothing is dropped in silence. A grab's time begins when its work does.
package pool
