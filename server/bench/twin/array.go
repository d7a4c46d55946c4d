package twin

import (
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// textArray is a text[] that a statement has cast to text, as in {Trailers,"Deleted Scenes"}. Pagila's have no quotes,
// commas, backslashes or NULL in them.
type textArray []string

// ScanText implements pgtype.TextScanner.
func (a *textArray) ScanText(v pgtype.Text) error {
	*a = make(textArray, 0, strings.Count(v.String, ",")+1)
	if body := strings.Trim(v.String, "{}"); body != "" {
		for element := range strings.SplitSeq(body, ",") {
			*a = append(*a, strings.Trim(element, `"`))
		}
	}
	return nil
}
