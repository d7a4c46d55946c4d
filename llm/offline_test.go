package llm_test

import (
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"example.com/pagila-api/llm"
)

func TestOfflineSummary(t *testing.T) {
	t.Parallel()
	c := offline(t)
	for _, rating := range []string{"G", "PG", "PG-13", "R", "NC-17"} {
		for _, rate := range []string{"0.99", "2.99", "3.00", "4.99"} {
			f := film()
			f.Rating, f.RentalRate = rating, decimal.NewNullDecimal(decimal.RequireFromString(rate))
			f.Title = `"QUOTES" & <TAGS> ÄÖÜ`
			got, result, err := c.Summarize(bounded(t), f)
			if err != nil {
				t.Fatal(err)
			}
			want := llm.Summary{Title: f.Title, Rating: rating, Recommended: llm.Recommended(rating, f.RentalRate)}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if !strings.HasPrefix(result.Prompt, "summary@") {
				t.Errorf("the prompt is %q", result.Prompt)
			}
		}
	}
}

// A model gets a message, also if nothing of the question is visible.
func TestInvisibleQuestion(t *testing.T) {
	t.Parallel()
	u := listen(t, streamed("What?"))
	c := openAI(t, u)
	for i, blank := range []string{"", "\t\r\n", "\u00a0\u3000", "\u200b\u2060\ufeff", "\u2800", "\U000e0041"} {
		if !llm.Blank(blank) {
			t.Errorf("%+q is not blank", blank)
		}
		if _, _, err := askQuestion(bounded(t), c, llm.Question{Text: blank, Tools: &shelf{}}); err != nil {
			t.Fatal(err)
		}
		var question string
		readBlock(t, messages(t, u.Requests()[i].Body), "question", &question)
		if question != "\ufffd" {
			t.Errorf("the model is asked %+q instead of %+q", question, blank)
		}
	}
}
