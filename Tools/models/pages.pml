/* A topic's pages: one writer, its owner; readers on other shards; pages that are used again.
 * The owner: Ring/Shard+Ring.swift, Ring/Shard+Reclaim.swift and Topics/Shard+Attach.swift
 * (`performAttach`, `unpin`), all of Sources/BrokerCore. The readers are in pages-reader.pml.
 *
 * A batch is one event, a page takes PER, the pool has PAGES. Left to the other models: that a bit
 * that was set is seen some day (wakeup.pml), that a tail is read whole (seqlock.pml), and that the
 * bytes before an acquired tail are there (as spsc.pml shows it for another ring).
 *
 * Memory orderings. A tail and a hold wait in their writer's buffer until `drain` brings them to
 * memory. Full fences and sequentially consistent read-modify-writes (interest, bits) wait for the
 * own buffer; the release store of a request's message comes behind earlier stores, too. A hold is
 * a release store, so what was read before it has been read when it is seen.
 *
 * FAULT 1: the pin goes before the hold is lowered   2: the owner answers without a pin
 *       3: the hold rises before the write           4: a tail does not hold the page it ends in
 *       5: the floor rises without a tail to go to   6: no fence between the tail and the interest
 *       7: a floor is told once only                 8: who is attached does not set its interest
 *       9: events come while a ring's last page is being given up
 */
#ifndef FAULT
#define FAULT 0
#endif
#ifndef READERS
#define READERS 1
#endif
#ifndef SUBS
#define SUBS 2                   /* subscriptions that a reader has at a time, ... */
#endif
#ifndef BEGINS
#define BEGINS 2                 /* ... and that it begins, beside a first one */
#endif
#ifndef EVENTS
#define EVENTS 5
#endif
#ifndef PER
#define PER 2
#endif
#define PAGES 2
#ifndef VACATES
#define VACATES 1                /* how often other topics need a ring's last page */
#endif
#define FAR   99                 /* UInt64.max */

typedef Place { byte page; byte off; byte seq }          /* TopicShared.Tail; page 0 is none */
#define copy(from, to) to.page = from.page; to.off = from.off; to.seq = from.seq

byte first[PAGES + 1], used[PAGES + 1], next[PAGES + 1]; /* pages; `first` 0 while in the pool */
byte head, last, nextSeq = 1;                            /* the owner's */
bool vacating;                                           /* `last` is 0 then, `head` is not */

/* TopicShared */
Place tail, tailOut;
bool tailWaits;
byte hold[READERS] = 1, holdOut[READERS] = 1;            /* 1 until the topic has been noticed */
bool holdWaits[READERS];
byte floor, firstPage;
bool interest[READERS], tailBit[READERS], floorBit[READERS];

/* SharedRequest, one for each subscription; a pin has its request's number. */
mtype = { idle, asked, answered };
mtype request[READERS * SUBS] = idle;
bool fromStart[READERS * SUBS], unpinBit[READERS * SUBS];
Place answer[READERS * SUBS];
byte pin[READERS * SUBS];

/* The readers' own; global, so that the promise can be checked. */
#define NONE 0
#define ATTAIL 1                 /* keeps up, and has no cursor */
#define ATTACHING 2
#define LAGGING 3
bool interested[READERS];
Place seen[READERS];             /* TopicEntry.tail */
byte state[READERS * SUBS];
Place cursor[READERS * SUBS];

#include "pages-reader.pml"

active proctype drain() {        /* the hardware */
end:
  do
  :: atomic { tailWaits -> copy(tailOut, tail); tailWaits = false }
  :: atomic { holdWaits[0] -> hold[0] = holdOut[0]; holdWaits[0] = false }
  :: atomic { holdWaits[READERS - 1] ->
       hold[READERS - 1] = holdOut[READERS - 1]; holdWaits[READERS - 1] = false }
  od
}

inline publishTail() {
  atomic { !tailWaits ->
    tailOut.page = last; tailOut.off = used[last]; tailOut.seq = nextSeq; tailWaits = true }
  FAULT == 6 || !tailWaits                               /* the fence at its end */
}

inline performAttach(s) {
  interest[(s) / SUBS] = true;
  publishTail();
  atomic {
    if                                                   /* locate */
    :: fromStart[s] && head != 0 && !vacating ->
       answer[s].page = head; answer[s].off = 0; answer[s].seq = first[head]
    :: else -> answer[s].page = last; answer[s].off = used[last]; answer[s].seq = nextSeq
    fi;
    pin[s] = answer[s].seq;
    if                                                  /* of the page: a place may be at its end */
    :: last != 0 && answer[s].seq == nextSeq -> pin[s]--
    :: else
    fi;
    pin[s] = (FAULT == 2 -> 0 : pin[s]);
    request[s] = answered
  }
}

inline look(r) {                 /* at one hold; a lower one is told to leave */
  atomic { floorBit[r] = floorBit[r] || (tell && hold[r] < wanted) }
}

inline giveUp(to) {              /* the oldest page, unless somebody may still look below `to` */
  atomic { wanted = to; tell = (floor < wanted || FAULT != 7) }        /* moveAll */
  if
  :: floor < wanted && FAULT != 5 -> publishTail()
  :: else
  fi;
  atomic { floor = (floor < wanted -> wanted : floor) }
  look(0);
#if READERS > 1
  look(1);
#endif
  atomic {                                               /* lowestHold */
    lowest = hold[0];
    for (i : 0 .. READERS * SUBS - 1) {
      lowest = (pin[i] != 0 && pin[i] < lowest -> pin[i] : lowest)
    }
    i = 0
  }
  atomic {
    if
    :: lowest >= wanted && hold[READERS - 1] >= wanted ->
       for (i : 0 .. READERS * SUBS - 1) {               /* the promise: nobody is in this page */
         assert(!interested[i / SUBS] || seen[i / SUBS].page != head);
         assert(state[i] != LAGGING || cursor[i].page != head);
         assert(state[i] != ATTACHING || request[i] != answered || answer[i].page != head)
       }
       i = head; head = next[head]; first[i] = 0; used[i] = 0; next[i] = 0;
       vacating = false
    :: else
    fi;
    i = 0; wanted = 0; lowest = 0; tell = false
  }
}

/* A ring's only page. All subscriptions are told at once here to be at the end; there they have
 * 5 ms to be sent what is in it. */
inline vacate() {
  atomic {
    vacating = true; vacates--;
    for (i : 0 .. READERS * SUBS - 1) { vacating = vacating && (pin[i] == 0 || pin[i] >= nextSeq) }
    i = 0; last = (vacating -> 0 : last)
  }
  if
  :: vacating -> publishTail(); tailBit[0] = true; tailBit[READERS - 1] = true; giveUp(nextSeq)
  :: else
  fi
}

inline addPage() {
  if
  :: vacating && FAULT != 9 -> giveUp(nextSeq)           /* finishVacating */
  :: !vacating && head != last -> giveUp(first[next[head]])           /* trim, reclaim */
  :: (!vacating && (head == last || first[1] == 0 || first[2] == 0)) || FAULT == 9
  fi;
  atomic {
    i = (first[1] == 0 -> 1 : (first[2] == 0 -> 2 : 0));
    if
    :: i != 0 && (!vacating || FAULT == 9) ->
       first[i] = nextSeq;
       if
       :: last != 0 -> next[last] = i
       :: else -> head = i; firstPage = i
       fi;
       last = i; vacating = false
    :: else                                         /* nil: the publisher waits, and asks again */
    fi;
    i = 0
  }
}

active proctype owner() {
  byte i, wanted, lowest, vacates = VACATES;
  bool tell, grew;
end:
  do
  :: atomic { nextSeq <= EVENTS || requests ->
       for (i : 0 .. READERS * SUBS - 1) {               /* unpin */
         pin[i] = (unpinBit[i] -> 0 : pin[i]); unpinBit[i] = false
       }
       i = 0 }
     if
     :: request[0] == asked -> performAttach(0)
     :: request[READERS * SUBS - 1] == asked -> performAttach(READERS * SUBS - 1)
     :: else
     fi;
     if
     :: vacates > 0 && last != 0 && head == last -> vacate()
     :: true
     fi;
     do                                                  /* appendBatch, some in a turn */
     :: nextSeq <= EVENTS ->
        if
        :: last == 0 || used[last] == PER -> addPage()
        :: else
        fi;
        atomic {
          if
          :: last != 0 && used[last] < PER -> used[last]++; nextSeq++; grew = true
          :: else -> break
          fi
        }
     :: nextSeq > EVENTS || grew -> break
     od;
     if                                                  /* publishTails */
     :: grew ->
        publishTail();
        grew = false;
        atomic { tailBit[0] = tailBit[0] || interest[0] }
#if READERS > 1
        atomic { tailBit[1] = tailBit[1] || interest[1] }
#endif
     :: else
     fi
  od
}
