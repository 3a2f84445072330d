/*
 * Replacement of incarnations in a Raft group, as invariant I2 demands it.
 *
 * Three slots. Incarnations 0, 1 and 2 found the group; the others are later process lives of a
 * slot: restarts, or clones that the host starts beside a living one. Nothing here ever kills an
 * incarnation. One that crashed is one that takes no further step, and one that does take a step
 * after its replacement is a zombie: all of this is in the choice of who moves next.
 *
 * Macros:
 *   N          incarnations in all (3 to 6), T  highest term, LEN  longest log, SWAPS  most swaps
 *   I2_OFF=1   a restart keeps its identity and restores term, vote and log from an old disk image
 *   I2_OFF=2   the same, but only the log is old
 *   PLANT=1    a newcomer is added without removing the previous incarnation of its slot
 *   PLANT=2    a joint configuration decides by its incoming half alone
 *   PLANT=3    a message with entries does not carry the commit index of its sender
 */
#ifndef N
#define N 4
#endif
#ifndef T
#define T 3
#endif
#ifndef LEN
#define LEN 3
#endif
#ifndef SWAPS
#define SWAPS 1
#endif
#ifndef I2_OFF
#define I2_OFF 0
#endif
#ifndef PLANT
#define PLANT 0
#endif

#define NOBODY 15
#define FOLLOWER 0
#define CANDIDATE 1
#define LEADER 2

/* An entry is its term times 16 plus what it says: data, leave the joint configuration, or enter
 * one that swaps an incarnation in. */
#define DATA 0
#define LEAVE 1
#define SWAP_IN 2
#define TERM_OF(entry) ((entry) >> 4)
#define SAYS(entry) ((entry) & 15)

#define BIT(x) (1 << (x))
#define POP(m) (((m) & 1) + (((m) >> 1) & 1) + (((m) >> 2) & 1) + \
                (((m) >> 3) & 1) + (((m) >> 4) & 1) + (((m) >> 5) & 1))
/* An empty half decides nothing. */
#define MAJORITY(m, half) ((half) == 0 || 2 * POP((m) & (half)) > POP(half))
#if PLANT == 2
#define QUORUM(m, x) (MAJORITY(m, incoming[x]))
#else
#define QUORUM(m, x) (MAJORITY(m, incoming[x]) && MAJORITY(m, outgoing[x]))
#endif
#define ONE_PER_SLOT(half) ((half) == 0 || (POP((half) & slot_of[0]) == 1 && \
                            POP((half) & slot_of[1]) == 1 && POP((half) & slot_of[2]) == 1))

/* Entries count from 1. */
#define LOG(x, k) log[(x) * LEN + (k) - 1]
#define SENT(t, k) sent[(t) * LEN + (k) - 1]
#define SENT_COMMIT(t, k) sent_commit[(t) * LEN + (k) - 1]
#define MATCH(t, x) match[(t) * N + (x)]

/* What each incarnation has in memory. */
byte term[N], vote[N], role[N], votes[N], length[N], commit[N], incoming[N], outgoing[N];
byte log[N * LEN];

/* The log that the leader of a term has shown to others, whether it still leads or not: any part of
 * it may still be under way in a message. Acknowledgements that it may have received. */
byte sent[(T + 1) * LEN], sent_len[T + 1], match[(T + 1) * N];
/* The least commit index that a message with this entry of this leader carries. */
byte sent_commit[(T + 1) * LEN];
/* Who led each term, and up to where its log may hold somebody else's membership change. */
byte led_by[T + 1], pending[T + 1];

/* For each slot, its incarnations. */
byte slot_of[3];

/* What was ever committed, by anybody, and in which term. */
byte decided[LEN], decided_in[LEN], decided_len;

byte swaps;

#if I2_OFF
/* An image of one disk that the host keeps. */
byte kept_of = NOBODY, kept_term, kept_vote, kept_len, kept_log[LEN];
bool rolled_back;
#endif

/* Scratch; zero between steps. */
byte i, j, t, k, n, mask;

inline any(x, from, to) {
  x = from;
  do
  :: x < to -> x++
  :: break
  od
}

/* Any x below N for which the condition holds, or NOBODY. */
inline any_if(x, condition) {
  x = 0;
  do
  :: x < N && (condition) -> break
  :: x < N -> x++
  :: x >= N -> x = NOBODY; break
  od
}

inline clear_scratch() { d_step { i = 0; j = 0; t = 0; k = 0; n = 0; mask = 0 } }

inline follow(x, in_term) {
  if
  :: role[x] == LEADER ->
     /* Acknowledgements to it mean nothing any more. */
     n = 0;
     do :: n < N -> MATCH(term[x], n) = 0; n++ :: else -> break od;
     n = 0
  :: else
  fi;
  if
  :: in_term > term[x] -> term[x] = in_term; vote[x] = NOBODY
  :: else
  fi;
  role[x] = FOLLOWER;
  votes[x] = 0
}

/* x commits its next entry and applies it. */
inline commit_next(x) {
  commit[x]++;
  if
  :: commit[x] > decided_len ->
     decided_len = commit[x];
     decided[commit[x] - 1] = LOG(x, commit[x]);
     decided_in[commit[x] - 1] = term[x];
     /* Later leaders that were elected before have it, too. */
     n = term[x] + 1;
     do
     :: n <= T ->
        assert(led_by[n] == NOBODY ||
               (sent_len[n] >= commit[x] && SENT(n, commit[x]) == LOG(x, commit[x])));
        n++
     :: else -> break
     od;
     n = 0
  :: else
  fi;
  assert(decided[commit[x] - 1] == LOG(x, commit[x]));  /* no committed entry is lost */
  if
  :: SAYS(LOG(x, commit[x])) == LEAVE -> outgoing[x] = 0
  :: SAYS(LOG(x, commit[x])) >= SWAP_IN ->
     mask = BIT(SAYS(LOG(x, commit[x])) - SWAP_IN);
     outgoing[x] = incoming[x];
     n = 0;
     do
     :: n < 3 ->
#if PLANT != 1
        if
        :: slot_of[n] & mask -> incoming[x] = incoming[x] & ~slot_of[n]
        :: else
        fi;
#endif
        n++
     :: else -> break
     od;
     incoming[x] = incoming[x] | mask;
     n = 0;
     mask = 0
  :: else
  fi;
  assert(ONE_PER_SLOT(incoming[x]) && ONE_PER_SLOT(outgoing[x]))
}

/* i asks for votes in any later term: it may have heard of terms in between. */
inline campaign() {
  any_if(i, role[i] != LEADER && term[i] < T && ((incoming[i] | outgoing[i]) & BIT(i)));
  if
  :: i != NOBODY ->
     any(t, term[i] + 1, T);
     skip;
     d_step {
       follow(i, t);
       role[i] = CANDIDATE;
       vote[i] = i;
       votes[i] = BIT(i);
       printf("%d campaigns in term %d\n", i, t)
     }
  :: else
  fi
}

/* j grants its vote to candidate i. */
inline grant() {
  any_if(i, role[i] == CANDIDATE);
  if
  :: i == NOBODY -> j = NOBODY
  :: else ->
     any_if(j, ((incoming[i] | outgoing[i]) & BIT(j)) && (votes[i] & BIT(j)) == 0 &&
               (term[j] < term[i] || (term[j] == term[i] && vote[j] == NOBODY)))
  fi;
  if
  :: j != NOBODY ->
     d_step {
       /* Last term, then length (Raft paper, section 5.4.1). */
       if
       :: length[i] > 0 -> k = TERM_OF(LOG(i, length[i]))
       :: else -> k = 0
       fi;
       if
       :: length[j] > 0 -> t = TERM_OF(LOG(j, length[j]))
       :: else -> t = 0
       fi;
       if
       :: k > t || (k == t && length[i] >= length[j]) ->
          if
          :: term[j] < term[i] -> follow(j, term[i])
          :: else
          fi;
          vote[j] = i;
          votes[i] = votes[i] | BIT(j);
          printf("%d votes for %d in term %d\n", j, i, term[i])
       :: else
       fi
     }
  :: else
  fi
}

inline win() {
  any_if(i, role[i] == CANDIDATE && QUORUM(votes[i], i));
  if
  :: i != NOBODY ->
     d_step {
       t = term[i];
       printf("%d has the votes to lead term %d\n", i, t);
       assert(led_by[t] == NOBODY);                       /* no two leaders in one term */
       k = 1;
       do
       :: k <= decided_len ->
          /* No entry committed in an earlier term is lost. */
          assert(decided_in[k - 1] >= t || (k <= length[i] && LOG(i, k) == decided[k - 1]));
          k++
       :: else -> break
       od;
       led_by[t] = i;
       role[i] = LEADER;
       votes[i] = 0;
       pending[t] = length[i];
       sent_len[t] = length[i];
       k = 1;
       do
       :: k <= length[i] -> SENT(t, k) = LOG(i, k); SENT_COMMIT(t, k) = commit[i]; k++
       :: else -> break
       od;
       MATCH(t, i) = length[i]
     }
  :: else
  fi
}

/* Leader i appends data, or a change of membership if none can be under way. */
inline append() {
  any_if(i, role[i] == LEADER && length[i] < LEN && ((incoming[i] | outgoing[i]) & BIT(i)));
  if
  :: i != NOBODY ->
     t = term[i];
     if
     :: k = DATA
     :: outgoing[i] != 0 && commit[i] >= pending[t] -> k = LEAVE
     :: outgoing[i] == 0 && commit[i] >= pending[t] && swaps < SWAPS ->
        any(j, 0, N - 1);
        if
        :: incoming[i] & BIT(j) -> k = DATA
        :: else -> k = SWAP_IN + j; swaps++
        fi
     fi;
     d_step {
       length[i]++;
       LOG(i, length[i]) = (t << 4) + k;
       SENT(t, length[i]) = LOG(i, length[i]);
       SENT_COMMIT(t, length[i]) = commit[i];
       sent_len[t] = length[i];
       MATCH(t, i) = length[i];
       printf("%d appends entry %d of term %d: %d\n", i, length[i], t, k);
       if
       :: k != DATA -> pending[t] = length[i]
       :: else
       fi
     }
  :: else
  fi
}

/*
 * j takes entry k of the leader of term t, who may have stepped down since, and acknowledges. The
 * commit index comes with it. That is why a log with the entry that leaves a joint configuration
 * belongs to somebody who knows that the group entered it.
 */
inline replicate() {
  any(t, 1, T);
  if
  :: led_by[t] == NOBODY || sent_len[t] == 0 -> j = NOBODY
  :: else -> any_if(j, led_by[t] != j && term[j] <= t)
  fi;
  if
  :: j != NOBODY ->
     any(k, 1, sent_len[t]);
     skip;
     d_step {
       if
       :: k <= length[j] + 1 && (k == 1 || TERM_OF(LOG(j, k - 1)) == TERM_OF(SENT(t, k - 1))) ->
          if
          :: term[j] < t || role[j] == CANDIDATE -> follow(j, t)
          :: else
          fi;
          if
          :: k <= length[j] && TERM_OF(LOG(j, k)) == TERM_OF(SENT(t, k)) -> skip
          :: else ->
             assert(k > commit[j]);                       /* no committed entry is lost */
             n = k;
             do :: n <= length[j] -> LOG(j, n) = 0; n++ :: else -> break od;
             n = 0;
             LOG(j, k) = SENT(t, k);
             length[j] = k
          fi;
#if PLANT != 3
          do
          :: commit[j] < k && commit[j] < SENT_COMMIT(t, k) -> commit_next(j)
          :: else -> break
          od;
#endif
          i = led_by[t];
          printf("%d holds entry %d, from the leader of term %d\n", j, k, t);
          if
          :: role[i] == LEADER && term[i] == t && MATCH(t, j) < k && k > commit[i] ->
             MATCH(t, j) = k
          :: else
          fi
       :: else
       fi
     }
  :: else
  fi
}

/* Leader i commits by counting up to k, an entry of its own term (Raft paper, figure 8). */
inline count() {
  any_if(i, role[i] == LEADER && commit[i] < length[i]);
  if
  :: i != NOBODY ->
     t = term[i];
     any(k, commit[i] + 1, length[i]);
     skip;
     d_step {
       n = 0;
       do
       :: n < N ->
          if
          :: MATCH(t, n) >= k -> mask = mask | BIT(n)
          :: else
          fi;
          n++
       :: else -> break
       od;
       n = 0;
       if
       :: TERM_OF(LOG(i, k)) == t && QUORUM(mask, i) ->
          mask = 0;
          printf("%d commits up to entry %d in term %d\n", i, k, t);
          do :: commit[i] < k -> commit_next(i) :: else -> break od;
          /* Acknowledgements of what is committed are not counted again. */
          n = 0;
          do
          :: n < N ->
             if
             :: MATCH(t, n) <= commit[i] -> MATCH(t, n) = 0
             :: else
             fi;
             n++
          :: else -> break
          od;
          n = 0
       :: else
       fi
     }
  :: else
  fi
}

/* i learns from j, by whatever message, that an entry which both have is committed. */
inline learn_commit() {
  any_if(j, commit[j] > 0);
  if
  :: j == NOBODY -> i = NOBODY
  :: else ->
     any_if(i, commit[j] > commit[i] && length[i] > commit[i] &&
               TERM_OF(LOG(i, commit[i] + 1)) == TERM_OF(LOG(j, commit[i] + 1)))
  fi;
  if
  :: i != NOBODY -> d_step {
       commit_next(i);
       printf("%d learns from %d that entry %d is committed\n", i, j, commit[i])
     }
  :: else
  fi
}

#if I2_OFF
inline copy_disk() {
  any(i, 0, N - 1);
  if
  :: kept_of == NOBODY ->
     kept_of = i;
     kept_term = term[i];
     kept_vote = vote[i];
     kept_len = length[i];
     printf("the host copies the disk of %d\n", i);
     k = 1;
     do :: k <= length[i] -> kept_log[k - 1] = LOG(i, k); k++ :: else -> break od
  :: else
  fi
}

inline restart_from_old_disk() {
  if
  :: kept_of != NOBODY && !rolled_back ->
     i = kept_of;
     rolled_back = true;
     printf("%d restarts from the copy\n", i);
     follow(i, term[i]);
#if I2_OFF == 1
     term[i] = kept_term;
     vote[i] = kept_vote;
#endif
     length[i] = kept_len;
     k = 1;
     do
     :: k <= LEN ->
        if
        :: k <= kept_len -> LOG(i, k) = kept_log[k - 1]
        :: else -> LOG(i, k) = 0
        fi;
        k++
     :: else -> break
     od;
     commit[i] = 0;
     incoming[i] = 7;
     outgoing[i] = 0
  :: else
  fi
}
#endif

init {
  d_step {
    do
    :: i < N -> vote[i] = NOBODY; incoming[i] = 7; i++
    :: else -> break
    od;
    do
    :: t <= T -> led_by[t] = NOBODY; t++
    :: else -> break
    od;
    slot_of[0] = 1;
    slot_of[1] = 2;
    slot_of[2] = 4;
    i = 0;
    t = 0
  };
  atomic {
    /* Founders are alike, so that the first newcomer may be of slot 0, the second of 0 or 1. */
#if N > 3
    slot_of[0] = slot_of[0] | BIT(3);
#endif
#if N > 4
    if
    :: slot_of[0] = slot_of[0] | BIT(4)
    :: slot_of[1] = slot_of[1] | BIT(4)
    fi;
#endif
    skip
  };
  do
  :: atomic { campaign(); clear_scratch() }
  :: atomic { grant(); clear_scratch() }
  :: atomic { win(); clear_scratch() }
  :: atomic { append(); clear_scratch() }
  :: atomic { replicate(); clear_scratch() }
  :: atomic { count(); clear_scratch() }
  :: atomic { learn_commit(); clear_scratch() }
#if I2_OFF
  :: atomic { copy_disk(); clear_scratch() }
  :: atomic { restart_from_old_disk(); clear_scratch() }
#endif
  od
}
