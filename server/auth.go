package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"example.com/pagila-api/gen"
)

var (
	errMissingToken = errors.New("no bearer token")
	errInvalidToken = errors.New("not the right bearer token")

	errUnsupportedGrant = &oauthError{code: "unsupported_grant_type", description: "grant_type has to be password."}
	errWrongCredentials = &oauthError{code: "invalid_grant", description: "The name or the password is wrong."}
)

// oauthError is a refusal in OAuth2's terms (RFC 6749, section 5.2).
type oauthError struct {
	code, description string
	cause             error // if set, it says what is wrong in place of the description
}

func (e *oauthError) Error() string { return e.code + ": " + e.description }

// oauthRefusal puts a request for a token that does not follow the contract into OAuth2's terms. An
// unknown grant comes before missing members, since the grant decides which members there must be.
func oauthRefusal(err error) error {
	var invalid *invalidRequestError
	switch {
	case !errors.As(err, &invalid):
		return err
	case breaks(invalid.found, "enum", "grant_type"):
		return errUnsupportedGrant
	default:
		return &oauthError{code: "invalid_request", cause: invalid}
	}
}

// authenticate guards the operations that the contract marks with a security requirement. The
// token comes in the Authorization header (RFC 6750, section 2.1).
func (s *Server) authenticate(r *http.Request) error {
	header := r.Header.Values("Authorization")
	if len(header) > 1 { // which of them a proxy has checked is not to be known
		return errInvalidToken
	}
	scheme, token, _ := strings.Cut(strings.Join(header, ""), " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(token) == "" {
		return errMissingToken
	}
	if !equal(strings.TrimSpace(token), s.deps.Credentials.Token) {
		return errInvalidToken
	}
	return nil
}

// CreateToken gives the token to whoever knows the name and the password.
func (s *Server) CreateToken(_ context.Context, request gen.CreateTokenRequestObject) (gen.CreateTokenResponseObject, error) {
	// Both are compared, so that the time taken does not tell which was wrong.
	name := equal(request.Body.Username, s.deps.Credentials.Username)
	password := equal(request.Body.Password, s.deps.Credentials.Password)
	if !name || !password {
		return nil, errWrongCredentials
	}
	return gen.CreateToken200JSONResponse{
		AccessToken: s.deps.Credentials.Token,
		TokenType:   gen.TokenTokenTypeBearer,
	}, nil
}

// equal compares in a time that depends on neither value: not on their lengths either, hence the
// hashes.
func equal(got, want string) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
