package twin

import "time"

// film is a film in a page, with the fields in the order of the API.
type film struct {
	Category           *string  `json:"category,omitempty"`
	Description        *string  `json:"description,omitempty"`
	FilmID             int32    `json:"film_id"`
	Language           string   `json:"language"`
	Length             *int32   `json:"length,omitempty"`
	Rating             *string  `json:"rating,omitempty"`
	ReleaseYear        *int32   `json:"release_year,omitempty"`
	RentalDuration     int32    `json:"rental_duration"`
	RentalRate         *string  `json:"rental_rate,omitempty"`
	ReplacementCost    *string  `json:"replacement_cost,omitempty"`
	SpecialFeatures    []string `json:"special_features"`
	StreamingAvailable bool     `json:"streaming_available"`
	Title              string   `json:"title"`
}

type filmPage struct {
	Items      []film  `json:"items"`
	NextCursor *string `json:"next_cursor,omitempty"`
	Page       *int32  `json:"page,omitempty"`
	PageSize   int32   `json:"page_size"`
	Total      *int64  `json:"total,omitempty"`
}

type actor struct {
	ActorID   int32  `json:"actor_id"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
}

type availability struct {
	Copies  int64 `json:"copies"`
	InStock int64 `json:"in_stock"`
	StoreID int32 `json:"store_id"`
}

type filmDetail struct {
	Actors             []actor        `json:"actors"`
	Availability       []availability `json:"availability"`
	Categories         []string       `json:"categories"`
	Category           *string        `json:"category,omitempty"`
	Description        *string        `json:"description,omitempty"`
	ETag               string         `json:"etag,omitempty"`
	FilmID             int32          `json:"film_id"`
	Language           string         `json:"language"`
	Length             *int32         `json:"length,omitempty"`
	Rating             *string        `json:"rating,omitempty"`
	ReleaseYear        *int32         `json:"release_year,omitempty"`
	RentalDuration     int32          `json:"rental_duration"`
	RentalRate         *string        `json:"rental_rate,omitempty"`
	ReplacementCost    *string        `json:"replacement_cost,omitempty"`
	SpecialFeatures    []string       `json:"special_features"`
	StreamingAvailable bool           `json:"streaming_available"`
	Title              string         `json:"title"`
}

func (f film) detail() filmDetail {
	return filmDetail{
		Category: f.Category, Description: f.Description, FilmID: f.FilmID, Language: f.Language, Length: f.Length,
		Rating: f.Rating, ReleaseYear: f.ReleaseYear, RentalDuration: f.RentalDuration, RentalRate: f.RentalRate,
		ReplacementCost: f.ReplacementCost, SpecialFeatures: f.SpecialFeatures, StreamingAvailable: f.StreamingAvailable,
		Title: f.Title,
	}
}

type rental struct {
	CustomerID  int32      `json:"customer_id"`
	DaysOverdue int64      `json:"days_overdue"`
	DueDate     time.Time  `json:"due_date"`
	FilmID      int32      `json:"film_id"`
	InventoryID int32      `json:"inventory_id"`
	LateFee     *string    `json:"late_fee,omitempty"`
	RentalDate  time.Time  `json:"rental_date"`
	RentalID    int32      `json:"rental_id"`
	ReturnDate  *time.Time `json:"return_date"`
	StaffID     int32      `json:"staff_id"`
	StoreID     int32      `json:"store_id"`
	Title       string     `json:"title"`
}
