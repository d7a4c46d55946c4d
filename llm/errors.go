package llm

import (
	"errors"

	"example.com/pagila-api/llm/upstream"
)

// The errors of a language model, so that a caller needs to import nothing but this package.
type (
	// Error is a failure of a language model or of a check of its answer.
	Error = upstream.Error
	// Kind says what went wrong.
	Kind = upstream.Kind
)

// The kinds of an [Error], which package upstream explains. [upstream.KindNoTools] is not one of them, since the
// question is then asked again without tools.
const (
	KindAuth        = upstream.KindAuth
	KindQuota       = upstream.KindQuota
	KindRateLimited = upstream.KindRateLimited
	KindUnreachable = upstream.KindUnreachable
	KindUnavailable = upstream.KindUnavailable
	KindTimeout     = upstream.KindTimeout
	KindStalled     = upstream.KindStalled
	KindTruncated   = upstream.KindTruncated
	KindBadResponse = upstream.KindBadResponse
	KindRejected    = upstream.KindRejected
	KindNoModel     = upstream.KindNoModel
	KindTooLong     = upstream.KindTooLong
	KindFiltered    = upstream.KindFiltered
	KindLength      = upstream.KindLength
	KindEmpty       = upstream.KindEmpty
	KindCanceled    = upstream.KindCanceled

	// KindUnverified is the kind of an answer that is not true or has the wrong form.
	KindUnverified Kind = "unverified"
)

// isKind reports whether err is an [*Error] of the kind.
func isKind(err error, kind Kind) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == kind
}
